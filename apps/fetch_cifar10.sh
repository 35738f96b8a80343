#!/usr/bin/env bash
# Puts CIFAR-10 (binary version) in place and prints the folder that holds it. See --help.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
url=${RELA_CIFAR10_URL:-https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz}
archive_md5=c32a1d4ab5d03f1284b67883e8d87530  # as the official page gives it
files=(data_batch_{1..5}.bin test_batch.bin)

usage() {
  cat <<HELP
usage: apps/fetch_cifar10.sh [--replace] [FOLDER]

Prints the folder that holds CIFAR-10's six .bin files. Looks, in this order, at
  RELA_DATA   if set, this folder or its cifar-10-batches-bin, and nowhere else
  FOLDER      default: data/cifar-10-batches-bin, where apps/configs/*.json expect it
  shared/data/cifar10   *.bin.xz in any folder above the checkout, unpacked into FOLDER
  $url
              downloaded (162 MiB) and unpacked into FOLDER
What it puts into FOLDER has passed a SHA-256 check. Other files of these names there are not overwritten, unless
--replace asks for it.

Exit codes: 0 done; 2 wrong usage; 5 the data could not be had; 6 RELA_DATA holds no CIFAR-10.
HELP
}

say() { echo "fetch_cifar10: $*" >&2; }

# The six official files, as sha256sum prints them.
checksums() {
  cat <<'SUMS'
cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5  data_batch_1.bin
a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed  data_batch_2.bin
bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67  data_batch_3.bin
014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48  data_batch_4.bin
755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add  data_batch_5.bin
8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b  test_batch.bin
SUMS
}

has_files() {
  local file
  for file in "${files[@]}"; do [[ -f $1/$file ]] || return 1; done
}

is_official() { has_files "$1" && checksums | (cd "$1" && sha256sum --check --status); }

# Moves the checked files from a scratch folder to the folder asked for.
accept() {
  is_official "$1" || { say "$2 does not hold the official files: SHA-256 differs"; return 1; }
  mkdir -p "$folder" && mv "$1"/*.bin "$folder" || return 1
  if [[ -f $1/batches.meta.txt ]]; then mv "$1/batches.meta.txt" "$folder"; fi
}

from_given() {
  local candidate
  for candidate in "$RELA_DATA" "$RELA_DATA/cifar-10-batches-bin"; do
    if has_files "$candidate"; then
      is_official "$candidate" || say "note: $candidate differs from the official files (a part of them?)"
      (cd "$candidate" && pwd)
      return 0
    fi
  done
  say "RELA_DATA=$RELA_DATA: neither it nor its cifar-10-batches-bin holds ${files[*]};" \
    "point it at CIFAR-10's binary version, or unset it to have the data fetched"
  return 6
}

from_shared() {
  local above=$root shared file
  until [[ -f $above/shared/data/cifar10/test_batch.bin.xz ]]; do
    [[ $above != / ]] || return 1
    above=$(dirname "$above")
  done
  shared=$above/shared/data/cifar10
  say "unpacking $shared"
  for file in "${files[@]}"; do xz -dc "$shared/$file.xz" >"$1/$file"; done
  if [[ -f $shared/batches.meta.txt ]]; then cp "$shared/batches.meta.txt" "$1"; fi
  accept "$1" "$shared"
}

# Gives up soon where nothing answers. A name that is not found and a transfer that breaks off are
# tried once more.
download() {
  local attempt status
  for attempt in 1 2; do
    status=0
    curl --fail --location --silent --show-error --connect-timeout 10 --max-time 900 \
      --speed-limit 1000 --speed-time 20 --output "$1" "$url" || status=$?
    case $status in
      6 | 18 | 56) if [[ $attempt -eq 1 ]]; then sleep 1; fi ;;
      *) return "$status" ;;
    esac
  done
  return "$status"
}

from_network() {
  local archive=$1/cifar-10-binary.tar.gz
  say "downloading $url"
  download "$archive" || return 1
  echo "$archive_md5  $archive" | md5sum --check --status ||
    { say "$url: MD5 is not $archive_md5"; return 1; }
  tar -xzf "$archive" -C "$1" --strip-components=1 || return 1
  accept "$1" "$url"
}

# A file in the folder that is not the official one of its name; nothing where there is none.
other_file() {
  local sum file
  while read -r sum file; do
    [[ -e $folder/$file || -L $folder/$file ]] || continue
    echo "$sum  $folder/$file" | sha256sum --check --status 2>/dev/null || { echo "$folder/$file"; return; }
  done < <(checksums)
}

replace=no
case ${1:-} in
  -h | --help) usage; exit 0 ;;
  --replace) replace=yes; shift ;;
  -*) say "unknown option $1; see --help"; exit 2 ;;
esac
[[ $# -le 1 ]] || { say "one folder at most; see --help"; exit 2; }

if [[ -n ${RELA_DATA:-} ]]; then
  from_given
  exit
fi
folder=${1:-$root/data/cifar-10-batches-bin}
if ! is_official "$folder"; then
  other=$(other_file)
  if [[ -n $other && $replace == no ]]; then
    say "$other is not the official file; use it as it is, RELA_DATA=$folder, move it away, or pass --replace"
    exit 5
  fi
  { mkdir -p "$(dirname "$folder")" && scratch=$(mktemp -d "$folder.XXXXXX"); } ||
    { say "$(dirname "$folder") cannot be written"; exit 5; }
  trap 'rm -rf "$scratch"' EXIT
  from_shared "$scratch" || from_network "$scratch" || {
    say "CIFAR-10 is not at hand: not in $folder, not in a shared/data/cifar10 above, not from $url;" \
      "set RELA_DATA to a folder that holds it"
    exit 5
  }
fi
(cd "$folder" && pwd)
