#!/usr/bin/env bash
# The command-line reference docs/cli.md is what `attojoule help --markdown` prints: --check compares
# (exit code 1 and a diff), --update rewrites it.
#
#   tools/dev/cli_reference.sh --check|--update [PROGRAM]     PROGRAM: build/release/attojoule
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=${2:-$root/build/release/attojoule}
reference=$root/docs/cli.md
if [[ ! -x $program ]]; then
  echo "cli_reference.sh: there is no program $program (build it, or name another one)" >&2
  exit 2
fi
text=$(mktemp)
trap 'rm -f "$text"' EXIT
"$program" help --markdown >"$text"
case ${1:-} in
  --check)
    if ! diff -u "$reference" "$text"; then
      echo "docs/cli.md does not say what the program's help says." >&2
      echo "Run: tools/dev/cli_reference.sh --update" >&2
      exit 1
    fi
    echo "docs/cli.md is what the program prints"
    ;;
  --update)
    mkdir -p "$root/docs"
    cp "$text" "$reference"
    chmod 644 "$reference"
    echo "docs/cli.md written"
    ;;
  *)
    echo "usage: tools/dev/cli_reference.sh --check|--update [PROGRAM]" >&2
    exit 2
    ;;
esac
