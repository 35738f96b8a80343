#!/usr/bin/env bash
# From a bare checkout to a trained backbone and its accuracy. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'HELP'
usage: apps/quickstart.sh [experiment options]

Installs the Debian packages that the build needs (as root or with passwordless sudo), builds the
programs into build/apps, finds pictures (apps/fetch_data.sh --help says where), and trains two runs
with the same small budget and no labels: BYOL, and BYOL with ReLA. Ends with their accuracies beside
those of raw pixels and of the untrained network, an accuracy plot, and a picture of nearest neighbours.
About 6 minutes on two cores; if stopped, the same command continues. Options are passed on to the
program experiment, e.g. --set epochs=20.

  RELA_DATA              folder with CIFAR-10, MNIST, Fashion-MNIST or the like; otherwise CIFAR-10 is
                         looked for and downloaded; where that fails, Debian's package of
                         Fashion-MNIST is used, and failing that, synthetic pictures
  RELA_QUICKSTART_STEPS  stop each run after so many steps: to try whether everything is in place
  RELA_QUICKSTART_OUT    folder of the runs (default runs/quickstart)

Exit codes: those of the programs (README.md lists them); 6: RELA_DATA holds no such data.
HELP
}
if [[ ${1:-} == -h || ${1:-} == --help ]]; then usage; exit 0; fi

wrong() { echo "quickstart: $*" >&2; exit 2; }
[[ -z ${RELA_QUICKSTART_STEPS:-} || $RELA_QUICKSTART_STEPS =~ ^[1-9][0-9]*$ ]] ||
  wrong "RELA_QUICKSTART_STEPS=$RELA_QUICKSTART_STEPS; a whole number from 1 is allowed"
for option in "$@"; do
  case $option in
    --out | --out=*) wrong "$option: RELA_QUICKSTART_OUT names the folder of the runs" ;;
    --dry-run | --only | --only=* | --draw | --draw=*) wrong "$option is for build/apps/experiment itself" ;;
    --set | --set=* | -q | --quiet | *=*) ;;
    *) wrong "$option: unknown; --set KEY=VALUE and --quiet are allowed, see --help" ;;
  esac
done

out=${RELA_QUICKSTART_OUT:-runs/quickstart}
options=("$@")
say() { printf '\n== %s\n' "$*"; }

say "packages"
tests/check.sh --deps-only --packages build

say "data"
found=$(apps/fetch_data.sh) || exit "$?"
format=${found%% *} data=${found#* }
table=apps/experiments/quickstart.json
case $format in
  cifar10)
    echo "CIFAR-10 in $data"
    options+=(--set "data.train_path=$data")
    data_options=(--data "$data")
    ;;
  idx)
    echo "IDX files in $data; accuracies are those of these pictures, not of CIFAR-10"
    table=apps/experiments/quickstart-fashion.json
    options+=(--set "data.train_path=$data")
    data_options=(--format idx --data "$data")
    ;;
  synthetic)
    echo "No pictures within reach: training on synthetic ones. What follows shows that the programs"
    echo "work; its accuracies mean nothing else."
    options+=(--set data.format=synthetic --set data.train_path=null --set data.synthetic_images=10000)
    data_options=(--format synthetic --synthetic-images 10000)
    ;;
esac

say "build"
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
cmake --preset cpu
cmake --build build --parallel "$(nproc)" --target experiment train_byol evaluate embed transport

say "train"
if grep -qw avx512_bf16 /proc/cpuinfo; then
  options+=(--set precision=bf16-mixed)
else
  options+=(--set precision=fp32)
fi
if [[ -n ${RELA_QUICKSTART_STEPS:-} ]]; then
  options+=(--set epochs=null --set "max_steps=$RELA_QUICKSTART_STEPS")
fi
build/apps/experiment "$table" --out "$out" "${options[@]}"

# run_of <name>: its folder, which the program names after ratio and seed as well.
run_of() { local folders=("$out/$1"-*/); echo "${folders[0]%/}"; }
byol=$(run_of byol) rela=$(run_of rela)

say "kNN top-1 on the test images"
# knn <line of JSON> <name>: its accuracy in percent.
knn() { sed -nE 's/.*"top1": ?([0-9.eE+-]+).*/\1/p' <<<"$1" | awk -v name="$2" '{ printf "  %-20s %5.1f %%\n", name, 100 * $1 }'; }
knn_events() { grep -hE '"event": ?"eval".*"protocol": ?"knn"' "$1/metrics.jsonl"; }
knn "$(build/apps/evaluate knn --pixels "${data_options[@]}" | tail -n 1)" "raw pixels"
knn "$(knn_events "$byol" | head -n 1)" "untrained network"
knn "$(knn_events "$byol" | tail -n 1)" "BYOL"
knn "$(knn_events "$rela" | tail -n 1)" "BYOL with ReLA"

say "pictures"
build/apps/evaluate neighbours --untrained "$byol" --run "$byol" --run "$rela" \
  --name untrained --name BYOL --name "BYOL with ReLA" "${data_options[@]}" --k 6 --train-images 10000 \
  --out "$out/neighbours.png" | tail -n 1 >"$out/neighbours.json"
echo "nearest neighbours  $out/neighbours.png"
echo "accuracy            $out/accuracy.svg"
for run in "$out"/*/report.html; do echo "report              $run"; done
echo
echo "These minutes are a start; apps/experiments/cpu.json trains longer."
