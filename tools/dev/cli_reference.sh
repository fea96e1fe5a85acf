#!/usr/bin/env bash
# The command-line reference docs/cli.md is what `attojoule help --markdown` prints, the table of operators
# docs/operators.md what `attojoule help operators --markdown` does: --check compares (exit code 1 and a
# diff), --update rewrites them.
#
#   tools/dev/cli_reference.sh --check|--update [PROGRAM]     PROGRAM: build/release/attojoule
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=${2:-$root/build/release/attojoule}
if [[ ! -x $program ]]; then
  echo "cli_reference.sh: there is no program $program (build it, or name another one)" >&2
  exit 2
fi
text=$(mktemp -d)
trap 'rm -rf "$text"' EXIT
"$program" help --markdown >"$text/cli.md"
"$program" help operators --markdown >"$text/operators.md"
for name in cli operators; do
  reference=$root/docs/$name.md
  case ${1:-} in
    --check)
      if ! diff -u "$reference" "$text/$name.md"; then
        echo "docs/$name.md does not say what the program's help says." >&2
        echo "Run: tools/dev/cli_reference.sh --update" >&2
        exit 1
      fi
      echo "docs/$name.md is what the program prints"
      ;;
    --update)
      mkdir -p "$root/docs"
      cp "$text/$name.md" "$reference"
      chmod 644 "$reference"
      echo "docs/$name.md written"
      ;;
    *)
      echo "usage: tools/dev/cli_reference.sh --check|--update [PROGRAM]" >&2
      exit 2
      ;;
  esac
done
