#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The photon-counting network of Wang et al. (Nat. Commun. 13, 123, 2022): accuracy on the 10,000 MNIST
# test images over photons per multiplication, under the paper's counting law and under homodyne
# detection, plotted over the reference points of data/reference/wang2022_curve.csv. A few seconds.
#
# usage: tools/reproduce/wang2022.sh [OUT_DIR]      needs the network and the images in $ATTOJOULE_DATA
#                                                  (`attojoule data list` says where they come from)
set -euo pipefail
root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=${1:-.}
data=${ATTOJOULE_DATA:?names the directory of networks and data sets (attojoule data list)}
mkdir -p "$out"

run() { # run LAW PHOTONS… FILE
  "$root/build/release/attojoule" run --model "$data/models/onn_qat_mlp_mnist.onnx" \
    --data "$data/datasets/mnist_test.h5" --set law="$1" --set operating_point.photons_per_mac=2 \
    --set evaluation.curve="$2" --set evaluation.seeds=3 --out "$3"
}
run counting "[0.1, 0.2, 0.3981, 0.7, 1, 1.4, 2, 3.981, 10, 31.6, 100]" "$out/wang2022_counting.h5"
run homodyne "[0.1, 0.2, 0.5, 0.7, 1, 1.4, 2, 4, 10, 50, 100]" "$out/wang2022_homodyne.h5"
/usr/bin/python3 "$root/tools/plots/accuracy_curve.py" "$out/wang2022_counting.h5" "$out/wang2022_homodyne.h5" \
  --x photons --reference "$root/data/reference/wang2022_curve.csv" --png "$out/wang2022.png"
echo "Plot: $out/wang2022.png"
