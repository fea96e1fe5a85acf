#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Accuracy over photons per multiplication of six published networks, the same light for every product
# ("uniform"), under the shot-noise law of Garg et al. 2021: eight points, three noise seeds each. All
# matrix products are noisy, the attention products of the encoders included. About an hour on one core.
#
# usage: tools/reproduce/accuracy_curves.sh [OUT_DIR] [NETWORK…]   needs networks and data sets in
#                                                  $ATTOJOULE_DATA (`attojoule data list` says which)
#        THREADS=2 tools/reproduce/accuracy_curves.sh out          more threads; the numbers stay the same
# A network whose result is in OUT_DIR already is not run again.
set -euo pipefail
root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=${ATTOJOULE:-$root/build/release/attojoule}
out=${1:-.}
data=${ATTOJOULE_DATA:?names the directory of networks and data sets (attojoule data list)}
mkdir -p "$out"
wanted=("${@:2}")
names=(resnet20 resnet56 mobilenet_v2 efficientnet_lite0 tiny_sentiment_sst2 minilm6_sst2)
[[ ${#wanted[@]} -gt 0 ]] || wanted=("${names[@]}")

# Depthwise convolutions have dot products of 9 and 25 terms: their networks need more light.
dim="0.01, 0.03, 0.1, 0.3, 1, 3, 10, 100"
normal="1, 3, 10, 30, 100, 300, 1000, 3000"
bright="10, 30, 100, 300, 1000, 3000, 10000, 30000"
run() { # run NAME MODEL DATA_SET IMAGES PHOTONS CURVE [MORE…]
  local file=$out/curve_$1.h5
  if [[ -e $file ]]; then
    echo "$file: there already" >&2
    return
  fi
  "$program" run --model "$data/models/$2.onnx" --data "$data/datasets/$3.h5" --device ideal-shot-noise \
    --set law=garg-shot --set operating_point.photons_per_mac="$5" --set evaluation.images="$4" \
    --set evaluation.seeds=3 --set evaluation.curve="[$6]" --seed 1 --threads "${THREADS:-1}" \
    --out "$file" "${@:7}" >"$out/curve_$1.txt"
  echo "$file" >&2
}
for name in "${wanted[@]}"; do
  case $name in
    resnet20 | resnet56) run "$name" "${name}_cifar10" cifar10_test1000 1000 100 "$normal" ;;
    mobilenet_v2) run "$name" mobilenet_v2_1.0_224_imagenet nips2017_dev_a500 500 1000 "$bright" ;;
    efficientnet_lite0)
      run "$name" efficientnet_lite0_imagenet nips2017_dev_a500 500 1000 "$bright" \
        --set 'data.mean=[127, 127, 127]' --set 'data.std=[128, 128, 128]' --set data.label_offset=-1
      ;;
    tiny_sentiment_sst2) run "$name" tiny_sentiment_sst2 sst2_dev 872 1 "$dim" ;;
    minilm6_sst2) run "$name" minilm6_sst2 sst2_minilm_dev 872 100 "$normal" ;;
    *)
      echo "accuracy_curves.sh: no network $name. Networks: ${names[*]}" >&2
      exit 2
      ;;
  esac
done
declare -A titles=([resnet20]="ResNet-20, CIFAR-10" [resnet56]="ResNet-56, CIFAR-10"
  [mobilenet_v2]="MobileNetV2, ImageNet classes" [efficientnet_lite0]="EfficientNet-Lite0, ImageNet classes"
  [tiny_sentiment_sst2]="2-layer encoder, SST-2" [minilm6_sst2]="MiniLM (6 layers), SST-2")
files=()
labels=()
for name in "${names[@]}"; do
  [[ -e $out/curve_$name.h5 ]] || continue
  files+=("$out/curve_$name.h5")
  labels+=(--label "${titles[$name]}")
done
/usr/bin/python3 "$root/tools/plots/accuracy_curve.py" "${files[@]}" "${labels[@]}" --x photons --png "$out/accuracy_curves.png"
echo "Plot: $out/accuracy_curves.png"
