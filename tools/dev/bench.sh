#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Side-by-side speed: our networks against oneDNN's bare convolutions, noise against no noise, integers
# against floats, and PyTorch with forward hooks where Debian's python3-torch, python3-torchvision and
# libopenblas0-pthread are installed (on one thread PyTorch gives 1x1 convolutions to BLAS, and Debian's
# reference BLAS is five times slower). Contenders take turns; ratios of minima are printed, bigger is better. One thread is measured in CPU time, two in wall time: those need a quiet machine.
# About 10 minutes.
#
# usage: tools/dev/bench.sh [--json FILE] [--rounds N]
set -euo pipefail
cd "$(dirname "$0")/../.."

json=""
rounds=10
while [ $# -gt 0 ]; do
  case "$1" in
    --json) json="$2"; shift 2 ;;
    --rounds) rounds="$2"; shift 2 ;;
    *) echo "usage: tools/dev/bench.sh [--json FILE] [--rounds N]" >&2; exit 2 ;;
  esac
done

cmake --preset bench > /dev/null
cmake --build --preset bench --target network_bench device_bench
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
/usr/bin/python3 tools/zoo/resnet50.py "$work/resnet50.onnx"

has_torch=0
if ! /usr/bin/python3 -c "import torch, torchvision" 2> /dev/null; then
  echo "PyTorch is left out: python3-torch and python3-torchvision are not installed." >&2
elif [[ $(readlink -f "$(ldconfig -p | awk '/libblas\.so\.3/ {print $NF; exit}')") != *openblas* ]]; then
  echo "PyTorch is left out: its BLAS is not OpenBLAS, and would be measured instead. Install libopenblas0-pthread." >&2
else
  has_torch=1
fi
# Page faults must not decide: PyTorch keeps its memory, as our arena does.
tuned=(env -u OPENBLAS_CORETYPE MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456)
# Two turns each, so that a slow spell of the machine does not fall on one side alone.
for turn in 1 2; do
  echo "turn $turn of 2: attojoule" >&2
  build/bench/tests/bench/network_bench "$work/resnet50.onnx" "$rounds" > "$work/ours$turn.json"
  if [ "$has_torch" = 1 ]; then
    for threads in 1 2; do
      echo "turn $turn of 2: PyTorch, $threads thread(s)" >&2
      "${tuned[@]}" /usr/bin/python3 tests/bench/pytorch_hooks.py "$threads" 8 "$rounds" > "$work/torch$turn.$threads.json"
    done
  fi
done
for isa in avx2 sse4; do
  build/bench/tests/bench/network_bench --isa $isa "$work/resnet50.onnx" "$rounds" > "$work/$isa.json"
done
build/bench/tests/bench/network_bench --memory "$work/resnet50.onnx" > "$work/memory.json"
echo "fidelities of the device layer" >&2
build/bench/tests/bench/device_bench "$rounds" > "$work/device.json"
/usr/bin/python3 - "$work" "$has_torch" "$json" << 'EOF'
import json, pathlib, sys

work, has_torch, out = pathlib.Path(sys.argv[1]), sys.argv[2] == "1", sys.argv[3]
turns = [json.loads((work / f"ours{turn}.json").read_text()) for turn in (1, 2)]


def best(first, second):
    """Ratios of the better turn; times are minima."""
    if isinstance(first, dict):
        return {key: best(first[key], second[key]) if "seconds" not in key else min(first[key], second[key])
                for key in first}
    return max(first, second)


result = best(*turns)
result.update(json.loads((work / "memory.json").read_text()))
result["device"] = json.loads((work / "device.json").read_text())
result["isa"] = {isa: json.loads((work / f"{isa}.json").read_text())["isa"][isa] for isa in ("avx2", "sse4")}
for threads in (1, 2):
    ratios = result["resnet50_b8"][f"t{threads}"]
    ours = {key: ratios.pop(f"{key}_seconds_per_batch") for key in ("noisy", "int8_noisy", "noisy_winograd")}
    if has_torch:
        times = [json.loads((work / f"torch{turn}.{threads}.json").read_text())["seconds_per_batch"] for turn in (1, 2)]
        noisy = min(min(time[way] for way in ("plain", "cached", "lean")) for time in times)
        # Convolutions are computed as they are fastest (`convolution: direct` or `winograd`).
        ratios["noisy_vs_pytorch"] = noisy / min(ours["noisy"], ours["noisy_winograd"])
        ratios["noisy_direct_vs_pytorch"] = noisy / ours["noisy"]
        ratios["int8_noisy_vs_pytorch"] = noisy / ours["int8_noisy"]
text = json.dumps(result, indent=2)
print(text)
if out:
    pathlib.Path(out).write_text(text + "\n")
EOF
