#!/usr/bin/env bash
# Formats every C++ file as .clang-format says; with --check it only reports (exit code 1).
#
#   tools/dev/format.sh [--check]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

mapfile -t files < <(
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard -- '*.cpp' '*.hpp'
  else
    find . -name build -prune -o \( -name '*.cpp' -o -name '*.hpp' \) -printf '%P\n'
  fi | grep -v '^tests/dev/.*_sample/' | sort -u |
    while read -r file; do if [[ -f $file ]]; then echo "$file"; fi; done
)
if [[ ${#files[@]} -eq 0 ]]; then
  echo "format.sh: no C++ file found" >&2
  exit 1
fi
case ${1:-} in
  --check)
    clang-format --dry-run -Werror "${files[@]}" || {
      echo "format.sh: run tools/dev/format.sh to mend this." >&2
      exit 1
    }
    echo "format: ${#files[@]} C++ files are as .clang-format says"
    ;;
  "")
    clang-format -i "${files[@]}"
    echo "format: ${#files[@]} C++ files formatted"
    ;;
  *)
    echo "usage: tools/dev/format.sh [--check]" >&2
    exit 2
    ;;
esac
