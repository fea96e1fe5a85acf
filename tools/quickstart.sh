#!/usr/bin/env bash
# From a bare Debian 12 to a first result: installs the packages, builds the program, runs the
# default experiment and draws its plot. It can be run again at any time; what is done already is
# not done again.
#
#   tools/quickstart.sh [DIRECTORY]     where the results go, default out/quickstart of the checkout
set -euo pipefail

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=${1:-$root/out/quickstart}
program=$root/build/release/attojoule
log=$root/build/quickstart.log
began=$SECONDS

case ${1:-} in
  -*)
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    exit 0
    ;;
esac

cat <<END
Attojoule quick start, about 8 minutes on two cores the first time, 2 minutes after that:
  1. install Debian packages (as root or by sudo; about 1.5 GB on a bare system)  1 min
  2. configure and build the program with optimisation                           5 min
  3. run the default experiment: a small CNN on Fashion-MNIST, accuracy over
     photons per multiplication, with the energy of every layer                  2 min
  4. draw the curve                                                              a few seconds
Results go to $out

END

step() { # step NUMBER TITLE COMMAND…
  local number=$1 title=$2 started=$SECONDS
  shift 2
  echo "[$number/4] $title"
  "$@"
  echo "[$number/4] done after $((SECONDS - started)) s"
  echo
}

build() {
  cd "$root"
  mkdir -p build
  # The programs only: the tests are built by tools/dev/check.sh.
  if ! { cmake --preset release && cmake --build --preset release --target attojoule; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "quickstart.sh: the build failed; its last lines are above, all of it is in $log" >&2
    exit 1
  fi
}

run_default() {
  mkdir -p "$out"
  "$program" run --out "$out/run.h5"
}

plot() {
  # Debian's own interpreter: another python3 on PATH does not have the packages that step 1 installed.
  /usr/bin/python3 "$root/tools/plots/accuracy_curve.py" "$out/run.h5" --png "$out/accuracy_curve.png"
}

step 1 "packages" "$root/tools/dev/install_packages.sh" build
step 2 "build (log: $log)" build
step 3 "default experiment" run_default
step 4 "plot" plot

cat <<END
All done in $((SECONDS - began)) s.
  the program   $program
  the result    $out/run.h5   (HDF5: look into it with "$program info $out/run.h5")
  the picture   $out/accuracy_curve.png
Next: "$program help" lists what else it does.
END
