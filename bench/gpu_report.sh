#!/usr/bin/env bash
# Tests and measures this code on a GPU, in one run that can be continued. See --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
  cat <<'HELP'
usage: bench/gpu_report.sh [options]

Runs the following sections, the most valuable first, each with its own time limit:

  facts      the GPU, its driver, the libraries, cuDNN's description of the device
  ops        every test of the kernels and of the cuda device, one process per suite; those that fail,
             crash or hang run again, each alone
  training   the losses of 20 steps compared with the CPU's: fp32, bf16-mixed, fp16-mixed; a precision
             that the CPU lacks is compared with its fp32
  steps      images per second of BYOL, ResNet-18 at batch 512: bf16-mixed, fp16-mixed, fp32; beside them,
             what bench/step_model.py predicts from the rates that `kernels` measures
  kernels    rates of a copy and of cuBLASLt's products, and every kernel's fraction of them
  resume     a run that is killed and resumed ends with the same bits
  memcheck   compute-sanitizer over small shapes
  racecheck  the same, for races in shared memory

A section that fails is reported and the others still run. Running the same command again continues:
results of sections that passed or failed are kept, those cut off by the time limit continue. After
another build, everything is run again.

  --build DIR    folder of the programs: a bundle (bench/bundle.sh) or a build folder; default: the
                 bundle around this script, else build-cuda of the checkout
  --out DIR      default: bench/results/<GPU>; gets results.json, results.md, and work.tar.gz with logs
  --limit S      seconds for everything; default 480
  --only A,B     only these sections
  --plan         print how long each section may take, and stop
  --again        run everything again
  -h, --help     this text

With programs whose GPU is emulated on the CPU, sections that need a real one are skipped and the
others run with tiny sizes; their times are meaningless.

Exit codes: 0 every section passed or was skipped; 1 one failed; 2 wrong usage or no programs; 8 no
usable GPU; 75 time ran out before the end, run the same command again to continue.
HELP
}

say() { echo "gpu_report: $*" >&2; }
need_value() { [[ $# -ge 2 ]] || { say "$1 needs a value; see --help"; exit 2; }; }

sections=(facts ops training steps kernels resume memcheck racecheck)
declare -A seconds=([facts]=20 [ops]=130 [training]=60 [steps]=80 [kernels]=80 [resume]=30 [memcheck]=50
  [racecheck]=30)
build='' out='' limit=480 only='' again=false plan=false
while [[ $# -gt 0 ]]; do
  case $1 in
    --build) need_value "$@"; build=$2; shift ;;
    --out) need_value "$@"; out=$2; shift ;;
    --limit) need_value "$@"; limit=$2; shift ;;
    --only) need_value "$@"; only=$2; shift ;;
    --again) again=true ;;
    --plan) plan=true ;;
    -h | --help) usage; exit 0 ;;
    *) say "unknown option $1; see --help"; exit 2 ;;
  esac
  shift
done
[[ $limit =~ ^[1-9][0-9]*$ ]] || { say "--limit $limit; a whole number of seconds from 1"; exit 2; }
for name in ${only//,/ }; do
  [[ " ${sections[*]} " == *" $name "* ]] || { say "--only $name; there are ${sections[*]}"; exit 2; }
done
is_wanted() { [[ -z $only || ",$only," == *",$1,"* ]]; }
if $plan; then
  planned=0
  for name in "${sections[@]}"; do
    if ! is_wanted "$name"; then continue; fi
    planned=$((planned + seconds[$name]))
    late=''
    if [[ $planned -gt $limit ]]; then late="  (later than --limit $limit)"; fi
    printf '%-10s at most %3d s, ends after %3d s%s\n' "$name" "${seconds[$name]}" "$planned" "$late"
  done
  exit 0
fi
command -v python3 >/dev/null || { say "python3 not found; the report needs it (no packages)"; exit 2; }
if [[ -z $build ]]; then
  if [[ -d $here/../bin ]]; then build=$here/..; else build=$here/../build-cuda; fi
fi
[[ -d $build ]] || { say "--build $build: no such folder; bench/bundle.sh makes one"; exit 2; }
build=$(cd "$build" && pwd)

# program <name>: prints its path, in a bundle or in a build folder; nothing if there is none.
program() {
  local folder
  for folder in bin apps tests bench; do
    if [[ -x $build/$folder/$1 ]]; then echo "$build/$folder/$1"; return; fi
  done
}
train=$(program train_byol)
[[ -n $train ]] || { say "no train_byol in $build; bench/bundle.sh makes a folder that has all"; exit 2; }

# ---- the libraries and the GPU ----

# Folders where CUDA's libraries may be, besides those that the loader knows: a Python environment's
# packages, toolkits, the driver.
library_folders() {
  python3 -c 'import glob, sys
for entry in sys.path:
    print(*glob.glob(entry + "/nvidia/*/lib"), sep="\n")' | grep . | sort -u || true
  local folder
  for folder in "${CUDA_HOME:-/usr/local/cuda}"/{lib64,targets/x86_64-linux/lib} /usr/local/nvidia/lib64 \
    /usr/lib/x86_64-linux-gnu/nvidia/current; do
    if [[ -d $folder ]]; then echo "$folder"; fi
  done
}
while read -r folder; do
  LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
done < <(library_folders)
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-} OMP_WAIT_POLICY=passive
toolkit=${CUDA_HOME:-/usr/local/cuda}
PATH=$PATH:$toolkit/bin:$toolkit/compute-sanitizer:/usr/local/nvidia/bin

if ! version=$("$train" --version 2>&1); then
  say "$train does not start: $version"
  say "glibc must be 2.36 or newer"
  exit 8
fi
if [[ $version == *" not found"* ]]; then
  say "$(grep -E '^(libraries|gpu) ' <<<"$version")"
  say "CUDA 13's cuBLASLt and cuDNN 9 must be in the loader's path, in CUDA_HOME, in LD_LIBRARY_PATH or" \
    "in the environment of python3"
  exit 8
fi
emulated=false
if [[ $version == *"emulated on the CPU"* ]]; then emulated=true; fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
width=16 batch=32 crop=32 run_steps=20
if $emulated; then width=2 batch=4 crop=16 run_steps=6; fi
cat >"$scratch/config.json" <<JSON
{ "method": "byol", "seed": 3, "deterministic": true, "max_steps": $run_steps, "batch_size": $batch,
  "log_every_steps": 1, "device": "cuda",
  "backbone": { "name": "resnet18", "cifar_stem": true, "width": $width },
  "data": { "format": "synthetic", "synthetic_images": 2048 },
  "augmentations": [ { "crop_size": $crop } ],
  "optimizer": { "lr": 0.0001 },
  "eval": { "online_linear": true, "knn_every_epochs": 0 },
  "checkpoint": { "every_steps": 0 } }
JSON
status=0
check=$("$train" "$scratch/config.json" --check 2>&1) || status=$?
if [[ $status -ne 0 ]]; then
  say "train_byol on device cuda, exit code $status: $(tail -n 1 <<<"$check")"
  if [[ $status -eq 8 ]]; then exit 8; fi
  exit 1
fi

gpu=emulated
if ! $emulated; then gpu=$(sed -nE 's/^gpu 0 +([^,]+),.*/\1/p' <<<"$check"); fi
gpu=$(tr -cs '[:alnum:]' - <<<"${gpu:-gpu}" | tr '[:upper:]' '[:lower:]' | sed 's/^-//; s/-$//')
out=${out:-$here/results/$gpu}
work=$out/work
if [[ ! -d $work && -f $out/work.tar.gz ]] && ! $again; then tar -xzf "$out/work.tar.gz" -C "$out"; fi
identity=$(cd "$build" && for name in train_byol cuda_kernel_tests bench_kernels; do program "$name"; done |
  xargs sha256sum | sha256sum | cut -c 1-16)
if $again || [[ $(cat "$work/identity" 2>/dev/null) != "$identity" ]]; then rm -rf "$work"; fi
mkdir -p "$work"
echo "$identity" >"$work/identity"
echo "$check" >"$work/check.txt"

# ---- sections: each a function; 0 passed, 77 skipped, 124 cut off by the time ----
# $note, or else the last line that the section prints, is the summary of its result.

start=$SECONDS section_end=$SECONDS note=''
suite_limit=${RELA_SUITE_SECONDS:-60} test_limit=${RELA_TEST_SECONDS:-20}
left() { echo $((section_end - SECONDS)); }
# limited <command>...: runs it within the remaining time of the section; 124 if that is not enough.
limited() {
  local seconds
  seconds=$(left)
  [[ $seconds -gt 0 ]] || return 124
  timeout -k 5 "$seconds" "$@"
}
helper() { limited python3 "$here/gpu_report.py" "$@"; }
skip() { note=$1; return 77; }
only_on_a_gpu() { if $emulated; then skip "the GPU is emulated: $1"; fi; }

facts() {
  limited nvidia-smi -q >"$work/nvidia-smi.txt" 2>&1 || true
  limited nvcc --version >"$work/nvcc.txt" 2>&1 || true
  helper facts "$work"
}

# isolated <file of results> <program>... -- <options of gpu_tests.py>...
isolated() {
  local programs=() path file=$1
  shift
  while [[ $1 != -- ]]; do
    path=$(program "$1")
    programs+=("${path:-$build/bin/$1}")  # a missing one is a failure
    shift
  done
  shift
  limited python3 "$here/gpu_tests.py" --out "$work/$file" --build "$identity" \
    --limit $(($(left) - 1)) "$@" "${programs[@]}"
}
ops() {
  isolated ops.json cuda_kernel_tests cuda_runtime_tests -- --jobs 4 --suite-limit "$suite_limit" \
    --test-limit "$test_limit"
}
sanitizer() {
  only_on_a_gpu "compute-sanitizer needs a real one" || return
  command -v compute-sanitizer >/dev/null || { skip "compute-sanitizer is not installed"; return; }
  isolated "$1.json" cuda_kernel_tests -- --jobs 8 --first 3 --suite-limit 60 --test-limit 30 \
    --wrapper "compute-sanitizer --tool $1 --error-exitcode 86"
}
memcheck() { sanitizer memcheck; }
racecheck() { sanitizer racecheck; }

# train <folder> <key=value>...: a run within the section's time.
train() {
  local folder=$work/$1 change changes=()
  shift
  for change in "$@"; do changes+=(--set "$change"); done
  limited "$train" "$scratch/config.json" --out "$folder" --overwrite -q "${changes[@]}"
}

training() {
  local precision refused status=0
  for precision in fp32 bf16-mixed fp16-mixed; do
    train "train-$precision-cuda" "precision=$precision" device=cuda || return
    refused=0
    train "train-$precision-cpu" "precision=$precision" device=cpu || refused=$?
    case $refused in
      0) ;;
      8) rm -rf "$work/train-$precision-cpu" ;;  # the CPU does not support it: its fp32 run is used instead
      *) return "$refused" ;;
    esac
    helper compare "$work" "$precision" || status=1
  done
  return $status
}

steps() {
  local precision sizes=(max_steps=200 backbone.width=64 batch_size=512 data.synthetic_images=20480)
  sizes+=(log_every_steps=10)
  if $emulated; then sizes=(max_steps=4); fi
  for precision in bf16-mixed fp16-mixed fp32; do
    train "steps-$precision" "precision=$precision" deterministic=false "${sizes[@]}" || return
  done
  helper steps "$work"
}

kernels() {
  only_on_a_gpu "its times mean nothing" || return
  local bench
  bench=$(program bench_kernels)
  [[ -n $bench ]] || { skip "no bench_kernels in $build"; return; }
  local family families status=0
  families=$(limited "$bench" --benchmark_list_tests --benchmark_filter=/cuda/ |
    awk -F / '!seen[$1]++ { print $1 }') || return
  rm -rf "$work/bench"
  mkdir -p "$work/bench"
  for family in $families; do  # one process each: a failure does not affect the others
    limited timeout 60 "$bench" --benchmark_filter="^$family/cuda/" --benchmark_min_time=0.1 \
      --benchmark_out="$work/bench/$family.json" >"$work/bench/$family.log" 2>&1 || status=$?
    if [[ $(left) -le 0 ]]; then return 124; fi
  done
  helper kernels "$work" || status=$?
  return $status
}

resume() {
  local folder=$work/cut length=$run_steps pid
  if ! $emulated; then length=60; fi  # long enough to kill it in time
  local changes=(--set checkpoint.every_steps=1 --set "max_steps=$length")
  train whole checkpoint.every_steps=1 "max_steps=$length" || return
  rm -rf "$folder"
  "$train" "$scratch/config.json" --out "$folder" -q "${changes[@]}" &
  pid=$!
  until compgen -G "$folder/checkpoints/step-*[2-9]/DONE" >/dev/null; do
    if ! kill -0 "$pid" 2>/dev/null; then break; fi
    if [[ $(left) -le 0 ]]; then kill -9 "$pid"; wait "$pid" 2>/dev/null || true; return 124; fi
    sleep 0.02
  done
  kill -9 "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  if [[ -e $folder/exported ]]; then note="the run ended before it was killed"; return 1; fi
  limited "$train" "$scratch/config.json" --out "$folder" -q --resume auto "${changes[@]}" || return
  helper resumed "$work"
}

# run_section <name> <seconds>
run_section() {
  local name=$1 begin=$SECONDS status=0 file=$work/$1.section log=$work/$1.log rest
  if [[ -f $file ]] && ! grep -q '^CUT' "$file"; then
    echo "==== $name: done before, $(cut -f 1 "$file")"
    return
  fi
  rest=$((limit - (SECONDS - start)))
  if [[ $rest -le 0 ]]; then
    printf 'CUT\t0\tno time was left\n' >"$file"
    return
  fi
  section_end=$((SECONDS + ($2 < rest ? $2 : rest))) note=''
  echo "==== $name, at most $(left) s"
  "$name" >"$log" 2>&1 || status=$?
  if [[ -z $note ]]; then note=$(tail -n 1 "$log" | tr '\t' ' '); fi
  case $status in
    0) status=PASS ;;
    77) status=SKIPPED ;;
    124) status=CUT note="cut off by the time; $note" ;;
    *) if [[ $(left) -le 0 ]]; then status=CUT; else status=FAIL; fi ;;
  esac
  if [[ $status == FAIL || $status == CUT ]]; then tail -n 15 "$log"; fi
  printf '%s\t%d\t%s\n' "$status" $((SECONDS - begin)) "$note" >"$file"
}

for name in "${sections[@]}"; do
  if is_wanted "$name"; then run_section "$name" "${seconds[$name]}"; fi
done

python3 "$here/gpu_report.py" summary "$out" "${sections[@]}"
rm -rf "$work"/{train-*,steps-*,whole,cut}/{checkpoints,exported}
tar -czf "$out/work.tar.gz" -C "$out" work
results() { cut -f 1 "$work"/*.section; }
if results | grep -q FAIL; then exit 1; fi
if results | grep -q CUT; then
  say "the time was up; the same command goes on"
  exit 75
fi
