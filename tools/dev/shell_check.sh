#!/usr/bin/env bash
# Runs shellcheck over every bash script of the tree, .ci/run included.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mapfile -t scripts < <(
  find .ci tools tests \( -name '*.sh' -o -path .ci/run \) -type f | sort
)
shellcheck --external-sources "${scripts[@]}"
for script in "${scripts[@]}"; do
  if ! grep -q '^set -euo pipefail$' "$script"; then
    echo "$script: needs a line \"set -euo pipefail\": an error in the middle must end it" >&2
    exit 1
  fi
  if [[ ! -x $script ]]; then
    echo "$script: is not executable (chmod +x)" >&2
    exit 1
  fi
done
echo "shellcheck: ${#scripts[@]} scripts"
