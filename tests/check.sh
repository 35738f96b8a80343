#!/usr/bin/env bash
# The one command that checks: packages, build, tests; with --full everything that CI checks. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'HELP'
usage: tests/check.sh [options]

Installs missing Debian packages (as root or with passwordless sudo), configures, builds, runs the tests
and the project's style rules, and ends with a table of the steps. Exit code 0 only when every step passed.
Tests that take a minute or more (labelled slow: the README's commands, killed ranks, ...) run with --full
only.

  --full            what CI runs: every test; warnings are errors; adds benchmarks, formatting, shellcheck and
                    clang-tidy; where CUDA's headers are, the CUDA kernels, emulated on the CPU and
                    compiled by nvcc, under the address and thread sanitizers, with line coverage and a
                    mutation test that removes barriers; and the kernels on Debian 13. clang-tidy and
                    the mutation test cover what changed recently and a third of the rest, chosen by
                    the commit
  --thorough        like --full, but covering everything, then everything again under the address and
                    undefined-behaviour sanitizers, and the whole suite on Debian 13
  --kernels         only the tests of kernels/
  --werror          warnings are errors, and nothing is precompiled, without the rest of --full

  --preset NAME     CMake preset: cpu (default), debug, asan
  --no-lint         with --full: no formatting, no shellcheck, no clang-tidy
  --no-tidy         with --full: no clang-tidy
  --no-cuda         with --full: no CUDA kernels
  --no-sanitizers   with --full: no sanitizers, line coverage or mutation test for the CUDA kernels
  --no-debian       with --full: no Debian 13
  --tidy-tests      run clang-tidy on tests and benchmarks too, not only on the product
  --deps-only       install packages and stop
  --packages GROUP  only the packages of one group of tests/packages.txt; may be repeated
  --jobs N          parallel jobs (default: the number of cores)
  -h, --help        this text

Exit codes: 0 all passed; 1 a step failed; 2 wrong usage, or packages missing and no right to install
them (the command to run is printed).
HELP
}

preset=cpu full=false thorough=false kernels=false werror=OFF deps_only=false
lint=true tidy=true tidy_tests=false cuda=true sanitizers=true debian=true
groups=()
jobs=$(nproc)

stop() { echo "check.sh: $*" >&2; exit 2; }
need_value() { [[ $# -ge 2 ]] || stop "$1 needs a value; see --help"; }

while [[ $# -gt 0 ]]; do
  case $1 in
    --preset) need_value "$@"; preset=$2; shift ;;
    --packages) need_value "$@"; groups+=("$2"); shift ;;
    --jobs) need_value "$@"; jobs=$2; shift ;;
    --full) full=true ;;
    --thorough) full=true thorough=true ;;
    --kernels) kernels=true ;;
    --werror) werror=ON ;;
    --no-lint) lint=false ;;
    --no-tidy) tidy=false ;;
    --no-cuda) cuda=false ;;
    --no-sanitizers) sanitizers=false ;;
    --no-debian) debian=false ;;
    --tidy-tests) tidy_tests=true ;;
    --deps-only) deps_only=true ;;
    -h | --help) usage; exit 0 ;;
    *) stop "unknown option $1; see --help" ;;
  esac
  shift
done
case $preset in
  cpu) build_dir=build ;;
  debug | asan) build_dir=build-$preset ;;
  *) stop "--preset $preset; there are cpu, debug, asan" ;;
esac
[[ $jobs =~ ^[1-9][0-9]*$ ]] || stop "--jobs $jobs; a whole number from 1"
if $kernels && $full; then stop "--kernels is for a short check: not with --full or --thorough"; fi
if $full; then werror=ON; else lint=false cuda=false debian=false; fi

known_groups=$(awk '$1 != "#" { print $1 }' tests/packages.txt | sort -u)
for group in ${groups[@]+"${groups[@]}"}; do
  grep -qx -- "$group" <<<"$known_groups" || stop "--packages $group; there are ${known_groups//$'\n'/, }"
done
if [[ ${#groups[@]} -eq 0 ]]; then
  groups=(build test)
  if ! $kernels; then groups+=(browser); fi
  if $full; then groups+=(bench); fi
  if $lint; then groups+=(lint); fi
  if $debian; then groups+=(debian); fi
fi

# ---- steps: each runs in a subshell that stops at its first failing command ----

names=() seconds=() results=()
failed=false passed=true

record() { names+=("$1"); seconds+=("$2"); results+=("$3"); }

# step <name> <command>...: runs and times it, records the outcome, also in `passed`. Not for use in a
# condition: there, bash would not stop the command at its first failure.
step() {
  local name=$1 start=$SECONDS status
  shift
  printf '\n==== %s ====\n' "$name"
  set +e
  (set -e; "$@")
  status=$?
  set -e
  if [[ $status -eq 0 ]]; then
    record "$name" $((SECONDS - start)) PASS
    passed=true
  else
    record "$name" $((SECONDS - start)) FAIL
    passed=false failed=true
    printf -- '---- %s failed (status %d)\n' "$name" "$status"
  fi
}

summary() {
  printf '\n==== summary ====\n'
  local i
  for i in "${!names[@]}"; do
    printf '%-26s %5d s   %s\n' "${names[i]}" "${seconds[i]}" "${results[i]}"
  done
  printf '%-26s %5d s   %s\n' total "$SECONDS" "$($failed && echo FAIL || echo PASS)"
}

missing_packages() {
  local group package
  while read -r group package; do
    if [[ -z $group || $group == '#' ]]; then continue; fi
    if [[ " ${groups[*]} " != *" $group "* ]]; then continue; fi
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
  done <tests/packages.txt | sort -u
}

install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    echo "not a Debian system: the packages of tests/packages.txt are taken to be there"
    return 0
  fi
  local missing as_root=()
  mapfile -t missing < <(missing_packages)
  if [[ ${#missing[@]} -eq 0 ]]; then
    echo "all packages are installed"
    return 0
  fi
  echo "missing: ${missing[*]}"
  if [[ $(id -u) -ne 0 ]]; then
    if ! sudo -n true 2>/dev/null; then
      {
        echo "installing needs root; run"
        echo "  sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}"
      } >&2
      return 2
    fi
    as_root=(sudo -n)
  fi
  "${as_root[@]}" apt-get update -qq </dev/null
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
    "${missing[@]}" </dev/null
}

# Makes cache hits independent of the location of the checkout.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
# Several test processes share the cores: idle OpenMP threads must sleep, not spin.
export OMP_WAIT_POLICY=passive

# Where warnings are errors, files also include what they use.
configure() {
  local precompile=ON
  if [[ $werror == ON ]]; then precompile=OFF; fi
  cmake --preset "$1" -DRELA_WERROR="$werror" -DRELA_PCH="$precompile"
}
build() {  # <build folder> [options]
  local folder=$1
  shift
  cmake --build "$folder" -j "$jobs" "$@"
}

# run_tests <build folder> [ctest options]: prints the summary line of ctest, then what was skipped and why.
run_tests() {
  local folder=$1 status=0
  shift
  ctest --test-dir "$folder" --output-on-failure --no-tests=error -j "$jobs" \
    --output-junit tests.xml "$@" || status=$?
  python3 tests/tools/skipped_tests.py "$folder/tests.xml"
  return "$status"
}

project_files() { find kernels runtime nn rela apps bench tests .ci -type f \( "$@" \) -print0 | sort -z; }

check_format() {
  project_files -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' |
    xargs -0 clang-format --dry-run -Werror
}
check_rules() {
  python3 tests/tools/rules.py
  python3 tests/tools/structure.py
}
check_shell() {
  project_files -name '*.sh' -o -path '.ci/run' | xargs -0 shellcheck
}
check_tidy() {  # <build folder> [options]
  local folder=$1 scope=product
  shift
  if $tidy_tests; then scope=all; fi
  python3 tests/tools/tidy.py --build-dir "$folder" --scope "$scope" --parts "$parts" --jobs "$jobs" "$@"
}

# ---- CUDA kernels, without a GPU: emulated on the CPU, and compiled by nvcc ----

# Prints the folder with the CUDA headers, found as in CMake; nothing if there is none.
cuda_headers() {
  local folder
  for folder in "${CUDAToolkit_ROOT:-}" "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda /opt/cuda /usr \
    /usr/local; do
    if [[ -n $folder && -f $folder/include/cuda_runtime.h ]]; then
      echo "$folder/include"
      return
    fi
  done
}

# Under a sanitizer, a process per test would mostly start and stop: use one per binary and core.
check_sanitized() {  # <build folder> <test binary>...
  local folder=$1 binary shard process processes status=0
  shift
  for binary in "$@"; do
    processes=()
    for ((shard = 0; shard < jobs; ++shard)); do
      GTEST_TOTAL_SHARDS=$jobs GTEST_SHARD_INDEX=$shard timeout 900 "$folder/tests/$binary" --gtest_brief=1 &
      processes+=($!)
    done
    for process in "${processes[@]}"; do wait "$process" || status=$?; done
  done
  return "$status"
}

with_other_poison() { RELA_SIMT_POISON=127 "$@"; }

# The report reads machine code if NVIDIA's disassembler is there, which comes as a Python package; else PTX.
check_nvcc() {  # <build folder>
  export PYTHONPATH=$PWD/$1/python${PYTHONPATH:+:$PYTHONPATH}
  if ! python3 tests/tools/sass.py; then
    python3 -m pip install --quiet --disable-pip-version-check --target "$1/python" nvidia-cuda-nvdisasm ||
      echo "nvidia-cuda-nvdisasm could not be installed"
  fi
  python3 tests/tools/nvcc_report.py --build-dir "$1" --jobs "$jobs"
}

# Code that only GPU builds compile, besides the kernels: calls of CUDA, cuDNN and cuBLASLt.
can_build_for_gpus() {
  [[ -n $(PATH=$PATH:$(cuda_headers)/../bin command -v nvcc) ]] &&
    grep -q kernels_cudnn build-simt/build.ninja
}
check_gpu_host_code() {
  configure cuda
  local objects
  mapfile -t objects < <(ninja -C build-cuda -t targets all |
    sed -nE 's/^(kernels\/CMakeFiles\/kernels_cuda\.dir\/.*\.cpp\.o):.*/\1/p')
  [[ ${#objects[@]} -gt 0 ]]
  ninja -C build-cuda -j "$jobs" "${objects[@]}"
}

check_mutations() {
  python3 tests/tools/mutate_barriers.py --tests build-simt/tests/cuda_kernel_tests \
    --tsan build-simt-tsan/tests/cuda_kernel_tests --parts "$parts" --jobs "$jobs"
}

check_cuda() {
  local emulated=(simt_emulator_tests cuda_kernel_tests) threaded=(loader_tests rank_thread_tests)
  step "simt: configure" configure simt
  if $passed; then step "simt: build" build build-simt --target cuda_tests; fi
  if $passed; then step "simt: tests" run_tests build-simt -L cuda; fi
  if $passed; then step "nvcc" check_nvcc build-simt; fi
  if $passed && can_build_for_gpus; then
    step "cuda: host code" check_gpu_host_code
  elif $passed; then
    echo "no nvcc or no cuDNN: the host code of GPUs is not compiled"
    record "cuda: host code" 0 "skipped: no nvcc or no cuDNN"
  fi
  if $passed && $lint && $tidy; then step "simt: clang-tidy" check_tidy build-simt --except-in "$build_dir"; fi
  if ! $sanitizers; then return; fi
  if $passed; then step "simt-asan: configure" configure simt-asan; fi
  if $passed; then
    step "simt-asan: build" build build-simt-asan --target "${emulated[@]}"
  fi
  find build-simt-asan -name '*.gcda' -delete 2>/dev/null || true
  # Unwritten memory is NaN and -1 above; here it holds other numbers, which must change nothing.
  if $passed; then step "simt-asan: tests" with_other_poison check_sanitized build-simt-asan "${emulated[@]}"; fi
  if $passed; then
    step "kernel coverage" python3 tests/tools/kernel_coverage.py --build-dir build-simt-asan
  fi
  if $passed; then step "simt-tsan: configure" configure simt-tsan; fi
  if $passed; then
    step "simt-tsan: build" build build-simt-tsan --target "${emulated[@]}" "${threaded[@]}"
  fi
  if $passed; then step "simt-tsan: tests" check_sanitized build-simt-tsan "${emulated[@]}" "${threaded[@]}"; fi
  if $passed; then step "simt: barriers dropped" check_mutations; fi
}

# ---- another Debian, for other versions of compiler and libraries ----

check_debian() {
  if [[ $(id -u) -ne 0 ]] || ! unshare --mount --pid --fork true 2>/dev/null; then
    echo "no right to make a chroot: Debian 13 is not tried"
    record "Debian 13" 0 "skipped: needs root and the right to mount"
  elif $thorough; then
    step "Debian 13" tests/tools/on_debian.sh trixie tests/check.sh --werror --jobs "$jobs"
  else
    step "Debian 13: kernels" tests/tools/on_debian.sh trixie tests/check.sh --kernels --werror --jobs "$jobs"
  fi
}

step packages install_packages
if ! $passed; then exit 2; fi
if $deps_only; then exit 0; fi

parts=3  # of clang-tidy and the barriers, one in each run
if $thorough; then parts=1; fi
test_filter=() target=()
if ! $full; then test_filter=(-LE slow); fi
if $kernels; then test_filter+=(-L kernels) target=(--target kernel_tests); fi

step configure configure "$preset"
if $passed; then step build build "$build_dir" ${target[@]+"${target[@]}"}; fi
built=$passed
if $built; then
  step tests run_tests "$build_dir" ${test_filter[@]+"${test_filter[@]}"}
else
  record tests 0 "not run"
fi
step rules check_rules
if $lint; then
  step format check_format
  step shell check_shell
  if ! $tidy; then
    record clang-tidy 0 "not asked for"
  elif [[ -f $build_dir/compile_commands.json ]]; then
    step clang-tidy check_tidy "$build_dir"
  else
    record clang-tidy 0 "not run"
  fi
fi
if $cuda && [[ -z $(cuda_headers) ]]; then
  echo "no cuda_runtime.h in CUDAToolkit_ROOT, CUDA_HOME or /usr/local/cuda: CUDA kernels are not checked"
  record "simt, nvcc" 0 "skipped: no CUDA headers"
  cuda=false
fi
if $cuda && $built; then check_cuda; fi
if $debian && $built; then check_debian; fi
if $thorough && $built && [[ $preset != asan ]]; then
  # Whole programs and the README's commands gain nothing from a second, slower pass.
  sanitized=asan
  if $cuda; then sanitized=simt-asan; fi
  step "$sanitized: configure" configure "$sanitized"
  if $passed; then step "$sanitized: build" build "build-$sanitized"; fi
  if $passed; then step "$sanitized: tests" run_tests "build-$sanitized" -LE slow; fi
fi

summary
if $failed; then exit 1; fi
