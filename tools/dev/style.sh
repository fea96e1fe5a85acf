#!/usr/bin/env bash
# Everything that can be checked without building: format, layers, house rules, shell scripts.
# A few seconds; the first step of tools/dev/check.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
samples="$here/../../tests/dev"
failed=0
for step in "format.sh --check" check_layers.py "check_layers.py --self-test $samples/layer_sample" \
  lint.py "lint.py --self-test $samples/lint_sample" "readme_commands.py --list" shell_check.sh; do
  read -ra words <<<"$step"
  "$here/${words[0]}" "${words[@]:1}" || failed=1
done
exit "$failed"
