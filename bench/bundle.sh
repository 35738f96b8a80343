#!/usr/bin/env bash
# Packs what bench/gpu_report.sh needs into one folder, for a machine without our packages. See --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/.." && pwd)

usage() {
  cat <<'HELP'
usage: bench/bundle.sh [options]

Builds for a GPU with nvcc (no GPU is needed for that) and packs the programs, the shared libraries they
need and gpu_report.sh into one relocatable folder. Not included: glibc (2.36 or newer), the GPU's driver,
and the libraries that programs load on demand: cuBLASLt of CUDA 13 and cuDNN 9.

  --out DIR     default: build-bundle/rela-gpu; DIR.tar.gz is written next to it
  --arch A;B    GPU architectures, as CMake names them; default: 90-real (H100, H200)
  --cpu NAME    processor, as gcc's -march names it; default: x86-64-v3; native: this one
  --jobs N      parallel jobs; default: the number of cores
  --no-build    pack what build-bundle holds
  -h, --help    this text

Exit codes: 0 done; 1 the build failed, or the archive is too big or would not run elsewhere; 2 wrong
usage.
HELP
}

say() { echo "bundle: $*" >&2; }
need_value() { [[ $# -ge 2 ]] || { say "$1 needs a value; see --help"; exit 2; }; }

build=$root/build-bundle out='' arch=90-real cpu=x86-64-v3 jobs=$(nproc) compile=true
while [[ $# -gt 0 ]]; do
  case $1 in
    --out) need_value "$@"; out=$2; shift ;;
    --arch) need_value "$@"; arch=$2; shift ;;
    --cpu) need_value "$@"; cpu=$2; shift ;;
    --jobs) need_value "$@"; jobs=$2; shift ;;
    --no-build) compile=false ;;
    -h | --help) usage; exit 0 ;;
    *) say "unknown option $1; see --help"; exit 2 ;;
  esac
  shift
done
out=${out:-$build/rela-gpu}
max_mib=60  # limit on the archive
programs=(apps/train_byol tests/cuda_kernel_tests tests/cuda_runtime_tests bench/bench_kernels)
scripts=(gpu_report.sh gpu_report.py gpu_tests.py step_model.py)

# The programs' library path applies to the libraries' dependencies too (--disable-new-dtags).
if $compile; then
  export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
  processor=(-DRELA_NATIVE=OFF "-DCMAKE_CXX_FLAGS=-march=$cpu")
  if [[ $cpu == native ]]; then processor=(-DRELA_NATIVE=ON -DCMAKE_CXX_FLAGS=); fi
  # shellcheck disable=SC2016  # the loader, not the shell, reads $ORIGIN
  cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DRELA_CUDA=ON \
    -DRELA_TESTS=ON -DRELA_BENCH=ON "${processor[@]}" \
    "-DCMAKE_CUDA_ARCHITECTURES=$arch" -DCMAKE_CUDA_FLAGS=--compress-mode=size \
    '-DCMAKE_INSTALL_RPATH=$ORIGIN/../lib' -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON \
    -DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags,--gc-sections
  cmake --build "$build" -j "$jobs" --target "${programs[@]##*/}"
fi

rm -rf "$out" "$out.tar.gz"
mkdir -p "$out"/{bin,lib,bench}
for program in "${programs[@]}"; do
  strip -o "$out/bin/${program##*/}" "$build/$program"
done
cp "${scripts[@]/#/$here/}" "$out/bench"
install -D -m 644 "$here/results/model/steps.json" "$out/bench/results/model/steps.json"

# What the target machine provides: glibc.
brought='^(linux-vdso|ld-linux-x86-64|lib(c|m|dl|pthread|rt))\.so'
# needed: prints "name path" for every shared library of the bundle's programs.
needed() {
  for program in "$out"/bin/*; do ldd "$program"; done | sed -nE 's/^\s*(\S+) => (\S+).*/\1 \2/p' | sort -u
}
while read -r name path; do
  [[ $path != not ]] || { say "$name is not found here"; exit 1; }
  if [[ ! $name =~ $brought ]]; then cp -L "$path" "$out/lib/$name"; fi
done < <(needed)

# Everything else must now come from the bundle, wherever it is.
status=0
while read -r name path; do
  if [[ ! $name =~ $brought && $(realpath "$path") != "$(realpath "$out")"/* ]]; then
    say "$name would come from $path, outside the bundle"
    status=1
  fi
done < <(needed)
commit=$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)
printf '{"commit": "%s", "cuda_architectures": "%s", "cpu": "%s", "compiler": "%s"}\n' "$commit" "$arch" \
  "$cpu" "$(c++ -dumpfullversion)" >"$out/bundle.json"

tar -czf "$out.tar.gz" -C "$(dirname "$out")" "$(basename "$out")"
bytes=$(du -sb "$out" | cut -f 1)
packed=$(stat -c %s "$out.tar.gz")
(cd "$out" && du -ab bin lib | sort -rn | awk '{ printf "%9.2f MiB  %s\n", $1 / 1048576, $2 }')
awk -v b="$bytes" -v a="$packed" -v o="$out" \
  'BEGIN { printf "%s: %.1f MiB; %s.tar.gz: %.1f MiB\n", o, b / 1048576, o, a / 1048576 }'
if [[ $packed -ge $((max_mib * 1024 * 1024)) ]]; then
  say "the archive must stay below $max_mib MiB"
  status=1
fi
exit $status
