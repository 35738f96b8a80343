#!/usr/bin/env bash
# From a bare checkout to a trained backbone and its accuracy. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'HELP'
usage: apps/quickstart.sh [train_byol options]

Installs the build's Debian packages (as root or with passwordless sudo), builds the programs into
build/apps, finds CIFAR-10 (apps/fetch_cifar10.sh says where), trains apps/configs/quickstart.json
into runs/quickstart (an earlier run there is replaced) and evaluates the backbone. About 8 minutes
on two cores, all in all. Options are handed to train_byol, e.g. --set epochs=20.

  RELA_DATA              folder that holds CIFAR-10; without it the data are looked for and fetched,
                         and where they cannot be had, the built-in synthetic pictures serve
  RELA_QUICKSTART_STEPS  stop after so many training steps: a trial that all is in place
  RELA_QUICKSTART_OUT    the run's folder (default runs/quickstart)

Exit codes: those of the programs (README.md lists them); 6: RELA_DATA holds no CIFAR-10.
HELP
}
if [[ ${1:-} == -h || ${1:-} == --help ]]; then usage; exit 0; fi

out=${RELA_QUICKSTART_OUT:-runs/quickstart}
options=("$@")
say() { printf '\n== %s\n' "$*"; }

say "packages"
tests/check.sh --deps-only --packages build

say "data"
status=0
data=$(apps/fetch_cifar10.sh) || status=$?
case $status in
  0)
    echo "CIFAR-10 in $data"
    options+=(--set "data.train_path=$data")
    data_options=(--data "$data")
    ;;
  5)
    echo "No CIFAR-10: training on synthetic pictures instead. What follows shows that the programs"
    echo "work; its accuracies say nothing about CIFAR-10."
    options+=(--set data.format=synthetic --set data.synthetic_images=10000)
    data_options=(--format synthetic)
    ;;
  *) exit "$status" ;;
esac

say "build"
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
cmake --preset cpu
cmake --build build --parallel "$(nproc)" --target train_byol evaluate embed

say "train"
if grep -qw avx512_bf16 /proc/cpuinfo; then
  options+=(--set precision=bf16-mixed)
else
  options+=(--set precision=fp32)
fi
if [[ -n ${RELA_QUICKSTART_STEPS:-} ]]; then options+=(--max-steps "$RELA_QUICKSTART_STEPS"); fi
build/apps/train_byol apps/configs/quickstart.json --out "$out" --overwrite "${options[@]}"

say "evaluate"
# top1_of <JSON line>: its top-1 accuracy, in percent.
top1_of() { sed -nE 's/.*"top1": ?([0-9.eE+-]+).*/\1/p' <<<"$1" | awk '{ printf "%5.1f %%", 100 * $1 }'; }
evaluate() { build/apps/evaluate "$@" "${data_options[@]}" | tail -n 1; }

untrained=$(grep -E '"event": ?"eval", ?"step": ?0,.*"knn"' "$out/metrics.jsonl" | head -n 1)
pixels=$(evaluate knn --pixels)
knn=$(evaluate knn --run "$out")
linear=$(evaluate linear --run "$out")

say "top-1 on the test images"
echo "kNN    raw pixels         $(top1_of "$pixels")"
echo "kNN    untrained network  $(top1_of "$untrained")"
echo "kNN    trained backbone   $(top1_of "$knn")"
echo "linear trained backbone   $(top1_of "$linear")"
echo
echo "These minutes are a start: apps/configs/cifar10-byol-cpu.json goes on for longer."
echo "weights  $out/exported/backbone.safetensors"
echo "report   $out/report.html"
