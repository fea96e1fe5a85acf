#!/usr/bin/env bash
# Installs the Debian packages that Attojoule needs: `build` (default) what it takes to build and run
# it, `test` what its tests and checks need besides, `train` what making the default model anew takes.
# Asks dpkg first and calls apt-get only for what is missing, so that a second call returns at once.
#
#   tools/dev/install_packages.sh [build] [test] [train]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
groups=("$@")
[[ ${#groups[@]} -gt 0 ]] || groups=(build)

wanted=()
for group in "${groups[@]}"; do
  list="$here/packages-$group.txt"
  if [[ ! -f $list ]]; then
    echo "install_packages.sh: no package list \"$group\" (known: build, test, train)" >&2
    exit 2
  fi
  while read -r name _; do
    [[ -z $name || $name == \#* ]] || wanted+=("$name")
  done <"$list"
done

if ! command -v dpkg-query >/dev/null; then
  echo "install_packages.sh: this is not a Debian system (no dpkg-query). Install what" >&2
  echo "$here/packages-*.txt names with your own package manager." >&2
  exit 1
fi

missing() {
  local name
  for name in "${wanted[@]}"; do
    # Removed packages whose configuration is still here are known to dpkg too: only "installed" counts.
    if [[ $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) != installed ]]; then
      echo "$name"
    fi
  done
}

mapfile -t lacking < <(missing)
if [[ ${#lacking[@]} -eq 0 ]]; then
  echo "Packages (${groups[*]}): all ${#wanted[@]} are installed."
  exit 0
fi

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "install_packages.sh: ${#lacking[@]} packages are missing, and installing them takes root" >&2
    echo "or sudo. As root: apt-get install --no-install-recommends ${lacking[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "Packages (${groups[*]}): installing ${#lacking[@]} of ${#wanted[@]}: ${lacking[*]}"
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq \
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"
}
started=$SECONDS
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt update && apt install --no-install-recommends -y "${lacking[@]}"; } >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  echo "install_packages.sh: apt-get failed; its last lines are above." >&2
  exit 1
fi

mapfile -t lacking < <(missing)
if [[ ${#lacking[@]} -gt 0 ]]; then
  echo "install_packages.sh: apt-get succeeded but these are still missing: ${lacking[*]}" >&2
  exit 1
fi
echo "Packages: done in $((SECONDS - started)) s."
