#!/usr/bin/env bash
# Finds small pictures to train on and prints their format and place. See --help.
set -euo pipefail
apps=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fashion=${RELA_FASHION_MNIST:-/usr/share/datasets/fashion-mnist}  # where Debian's package puts it
package=dataset-fashion-mnist

usage() {
  cat <<HELP
usage: apps/fetch_data.sh

Prints one line: a value of data.format and, behind a space, one of data.train_path. The first that is there:
  RELA_DATA     if set, this and nothing else: CIFAR-10's binary version ("cifar10 FOLDER"), or MNIST,
                Fashion-MNIST, KMNIST or EMNIST as their IDX files ("idx FOLDER"; of EMNIST's several
                sets in one folder, the file of the training images)
  CIFAR-10      "cifar10 FOLDER": at hand or downloaded, as apps/fetch_cifar10.sh --help says
  Fashion-MNIST "idx FOLDER": Debian's package $package, installed (31 MB) where that is allowed
                without a password
  otherwise     "synthetic": the built-in pictures, which need no files

Exit codes: 0 done; 2 wrong usage; 6 RELA_DATA holds no data that can be read.
HELP
}

say() { echo "fetch_data: $*" >&2; }

# idx_sets <folder or file> <train|test>: the data sets with images of that split, by what stands before it in
# the files' names ("" for plain MNIST names), one a line and marked with a leading =.
idx_sets() {
  local names='(train)' at=$1
  if [[ $2 == test ]]; then names='(t10k|test)'; fi
  if [[ $at == -* ]]; then at=./$at; fi
  if [[ -d $at ]]; then at=$at/; fi
  find -L "$at" -maxdepth 1 -type f -printf '%f\n' 2>/dev/null |
    sed -nE "s/^(|.*-)$names-images[-.]idx3-ubyte(\.gz)?\$/=\1/p" | sort -u
}
# What keeps a folder's or file's IDX files from being trained and evaluated on; nothing where they can be. A folder
# has to hold one data set with both splits; beside a file of training images have to be the test images of its set.
idx_problem() {
  local train all
  train=$(idx_sets "$1" train)
  if [[ -z $train ]]; then
    echo "no training images in IDX form"
  elif [[ -f $1 ]]; then
    idx_sets "$(dirname -- "$1")" test | grep -qxF -e "$train" || echo "no test images of the same data set beside it"
  else
    all=$(sort -u <(echo "$train") <(idx_sets "$1" test))
    if [[ $all == *$'\n'* ]]; then
      all=${all//=/}
      echo "it holds several data sets (${all//$'\n'/, }); name the file of the training images of one"
    elif [[ -z $(idx_sets "$1" test) ]]; then
      echo "no test images in IDX form"
    fi
  fi
}
has_idx() { [[ -z $(idx_problem "$1") ]]; }

# The absolute path of a file or folder.
absolute() { realpath -s -- "$1"; }

install_fashion_mnist() {
  command -v apt-get >/dev/null || { say "no apt-get to install $package with"; return 1; }
  local as_root=()
  if [[ $(id -u) -ne 0 ]]; then
    sudo -n true 2>/dev/null || { say "installing $package needs root: sudo apt-get install $package"; return 1; }
    as_root=(sudo -n)
  fi
  local quick=(-qq -o Acquire::Retries=1 -o Acquire::http::Timeout=10 -o Acquire::https::Timeout=10)
  say "installing $package"
  "${as_root[@]}" apt-get "${quick[@]}" update </dev/null >&2 || true  # an old list may do
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "${quick[@]}" install -y \
    --no-install-recommends "$package" </dev/null >&2 || { say "$package could not be installed"; return 1; }
}

case ${1:-} in
  -h | --help) usage; exit 0 ;;
  ?*) say "no argument is known; see --help"; exit 2 ;;
esac

if [[ -n ${RELA_DATA:-} && -n $(idx_sets "$RELA_DATA" train) ]]; then
  problem=$(idx_problem "$RELA_DATA")
  if [[ -n $problem ]]; then say "RELA_DATA=$RELA_DATA: $problem"; exit 6; fi
  echo "idx $(absolute "$RELA_DATA")"
  exit
fi
status=0
folder=$("$apps/fetch_cifar10.sh") || status=$?
case $status in
  0) echo "cifar10 $folder"; exit ;;
  5) ;;
  6) say "RELA_DATA=$RELA_DATA: nor does it hold IDX files, train-images-idx3-ubyte and t10k-images-idx3-ubyte"
     exit 6 ;;
  *) exit "$status" ;;
esac
if has_idx "$fashion" || { install_fashion_mnist && has_idx "$fashion"; }; then
  say "no CIFAR-10: Fashion-MNIST instead, Debian's $package"
  echo "idx $fashion"
else
  say "neither CIFAR-10 nor Fashion-MNIST is within reach: the built-in synthetic pictures serve"
  echo synthetic
fi
