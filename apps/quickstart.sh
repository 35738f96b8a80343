#!/usr/bin/env bash
# From a bare checkout to a trained backbone and its accuracy. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'HELP'
usage: apps/quickstart.sh [experiment options]

Installs the build's Debian packages (as root or with passwordless sudo), builds the programs into
build/apps, finds pictures (apps/fetch_data.sh --help says where), and trains the two runs of
apps/experiments/quickstart.json into runs/quickstart: BYOL, and BYOL with ReLA, at the same small
budget. Ends with their accuracies and a picture. About 6 minutes on two cores, all in all; stopped, it
goes on where it was. Options are handed to the program experiment, e.g. --set epochs=20.

  RELA_DATA              folder that holds CIFAR-10, or MNIST, Fashion-MNIST or the like; without it,
                         CIFAR-10 is looked for and fetched, and where it cannot be had, Debian's
                         package of Fashion-MNIST or else the built-in synthetic pictures serve
  RELA_PRIOR             weights of resnet20_cifar to be ReLA's prior; without them, and where
                         ../shared/data/priors has none, the student's own untrained network is
  RELA_QUICKSTART_STEPS  stop each run after so many steps: a trial that all is in place
  RELA_QUICKSTART_OUT    the folder of the runs (default runs/quickstart)

Exit codes: those of the programs (README.md lists them); 6: RELA_DATA holds no such data.
HELP
}
if [[ ${1:-} == -h || ${1:-} == --help ]]; then usage; exit 0; fi

out=${RELA_QUICKSTART_OUT:-runs/quickstart}
options=("$@")
say() { printf '\n== %s\n' "$*"; }

say "packages"
tests/check.sh --deps-only --packages build

say "data"
prior=""
status=0
found=$(apps/fetch_data.sh) || status=$?
if [[ $status -ne 0 ]]; then exit "$status"; fi
format=${found%% *} data=${found#* }
case $format in
  cifar10)
    echo "CIFAR-10 in $data"
    options+=(--set "data.train_path=$data")
    data_options=(--data "$data")
    published=../shared/data/priors/akamaster_resnet_cifar10/resnet20.safetensors
    prior=${RELA_PRIOR:-}
    if [[ -z $prior && -f $published ]]; then prior=$published; fi
    ;;
  idx)
    echo "Images in IDX form in $data: accuracies are of these, not of CIFAR-10"
    options+=(--set data.format=idx --set "data.train_path=$data")
    data_options=(--format idx --data "$data")
    ;;
  synthetic)
    echo "No CIFAR-10: training on synthetic pictures instead. What follows shows that the programs"
    echo "work; its accuracies say nothing about CIFAR-10."
    options+=(--set data.format=synthetic --set data.synthetic_images=10000)
    data_options=(--format synthetic)
    ;;
esac

say "build"
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
cmake --preset cpu
cmake --build build --parallel "$(nproc)" --target experiment train_byol evaluate embed

say "train"
if grep -qw avx512_bf16 /proc/cpuinfo; then
  options+=(--set precision=bf16-mixed)
else
  options+=(--set precision=fp32)
fi
if [[ -n ${RELA_QUICKSTART_STEPS:-} ]]; then
  options+=(--set epochs=null --set "max_steps=$RELA_QUICKSTART_STEPS")
fi
if [[ -n $prior ]]; then
  echo "ReLA's prior: $prior (trained with CIFAR-10's labels: what it teaches is not free of them)"
  options+=(--set rela:rela.prior.model=resnet20_cifar --set "rela:rela.prior.weights=$prior")
else
  echo "ReLA's prior: random, the student's own untrained network"
fi
build/apps/experiment apps/experiments/quickstart.json --out "$out" "${options[@]}"

say "top-1 on the test images"
# top1_of <JSON line>: its top-1 accuracy, in percent.
top1_of() { sed -nE 's/.*"top1": ?([0-9.eE+-]+).*/\1/p' <<<"$1" | awk '{ printf "%5.1f %%", 100 * $1 }'; }
pixels=$(build/apps/evaluate knn --pixels "${data_options[@]}" | tail -n 1)
untrained=$(grep -hE '"event": ?"eval", ?"step": ?0,.*"knn"' "$out"/byol*/metrics.jsonl | head -n 1)
echo "kNN of raw pixels         $(top1_of "$pixels")"
echo "kNN of untrained network  $(top1_of "$untrained")"
grep '^|' "$out/results.md"
echo
echo "These minutes are a start: apps/experiments/cpu.json goes on for longer."
echo "picture  $out/accuracy.svg"
for run in "$out"/*/report.html; do echo "report   $run"; done
