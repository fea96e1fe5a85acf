#!/usr/bin/env bash
# The whole check, which continuous integration runs and which you run before you stop:
#
#   1. packages    installs what building and testing need (Debian 12; root or sudo)
#   2. style       format, layers, house rules, shell scripts                          seconds
#   3. release     builds everything with optimisation, warnings are errors            minutes
#   4. clang       the second compiler compiles the program, without warnings          minutes
#   5. asan        builds with Address- and UndefinedBehaviorSanitizer and runs all tests but
#                  the slow, the statistical and the published networks' ones          minutes
#   6. test        all tests of the release build; among them the command-line
#                  reference, every command of README.md and the style checks          minutes
#
# About 50 minutes on two cores, less when little has changed. Logs: build/check/.
#
#   tools/dev/check.sh [--quick]     --quick: without clang, asan and slow tests
#
# Tests on published networks and data sets need files that are not part of the repository. They are
# looked for in $ATTOJOULE_DATA, then in a data directory beside the checkout; where they are not
# found, those tests are skipped and say so. With CI=true nothing may be skipped.
set -euo pipefail

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
quick=0
case ${1:-} in
  "") ;;
  --quick) quick=1 ;;
  *)
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    exit 2
    ;;
esac

logs=$root/build/check
mkdir -p "$logs"
jobs=$(nproc)
timings=()

if [[ -n ${ATTOJOULE_DATA:-} && ! -d $ATTOJOULE_DATA ]]; then
  echo "check.sh: ATTOJOULE_DATA names no directory: $ATTOJOULE_DATA" >&2
  exit 2
fi
beside=$root/../shared/data
if [[ -z ${ATTOJOULE_DATA:-} && -d $beside ]]; then
  ATTOJOULE_DATA=$(cd "$beside" && pwd)
fi
if [[ -n ${ATTOJOULE_DATA:-} ]]; then
  export ATTOJOULE_DATA
  echo "Data sets and models: $ATTOJOULE_DATA"
else
  echo "Data sets and models: none; the tests that need them are skipped."
fi
if [[ ${CI:-} == true ]]; then
  export ATTOJOULE_REQUIRE_DATA=1
fi

# step NAME COMMAND…: runs it with its output in a log, shows the end of that if it fails.
step() {
  local name=$1 started=$SECONDS
  shift
  printf '%-9s … ' "$name"
  if ! "$@" >"$logs/$name.log" 2>&1; then
    echo "failed after $((SECONDS - started)) s"
    tail -n 80 "$logs/$name.log"
    echo "check.sh: step \"$name\" failed; all of its output is in $logs/$name.log" >&2
    exit 1
  fi
  echo "$((SECONDS - started)) s"
  timings+=("$name $((SECONDS - started)) s")
}

# The steps run under `if`, where bash ignores set -e: every command is chained with &&.
build() { # build PRESET
  cmake --preset "$1" -DATTOJOULE_TESTS=ON && cmake --build --preset "$1" -j "$jobs"
}
test_asan() { ctest --preset asan -j "$jobs"; }

step packages tools/dev/install_packages.sh build test
step style tools/dev/style.sh
step release build release
if [[ $quick -eq 0 ]]; then
  step clang build clang
  step asan build asan
  step asan_test test_asan
fi

selection=()
if [[ $quick -eq 1 ]]; then
  selection=(-LE slow)
fi
echo "Before the tests: $(IFS=','; echo "${timings[*]}"). Now all tests of the release build:"
log=$logs/test.log
ctest --preset release -j "$jobs" "${selection[@]}" 2>&1 | tee "$log"

ran=("$log")
if [[ $quick -eq 0 ]]; then
  ran+=("$logs/asan_test.log")
fi
if [[ ${CI:-} == true ]] && grep -hE '\*\*\*(Skipped|Not Run)' "${ran[@]}"; then
  echo "check.sh: the tests above did not run, which counts as a failure where CI=true." >&2
  exit 1
fi
