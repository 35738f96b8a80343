#!/usr/bin/env bash
# Builds and tests the working tree on another release of Debian. See --help.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

usage() {
  cat <<'HELP'
usage: tests/tools/on_debian.sh SUITE [command]

Copies the working tree (what git tracks, and what it neither tracks nor ignores) into a chroot with
Debian SUITE, e.g. trixie, and runs the command there, in the checkout's folder; without one,
tests/check.sh, which installs packages, builds and tests. The chroot is made by debootstrap from the
mirror that this machine's apt uses and is kept for the next time, build folders included.
The compiler cache is shared with this machine, and a folder shared/ above the checkout is there to
read. Mounts and processes end with the command. Needs root, and Debian's package debootstrap.

  RELA_CHROOTS  the folder of the chroots; default ~/.cache/rela/chroots

Exit code: the command's; 2: wrong usage, no root, or no chroot.
HELP
}
stop() { echo "on_debian.sh: $*" >&2; exit 2; }

if [[ ${1:-} == -h || ${1:-} == --help ]]; then usage; exit 0; fi
[[ ${1:-} =~ ^[a-z]+$ ]] || stop "the first argument is a release of Debian, e.g. trixie; see --help"
suite=$1
shift
if [[ $# -eq 0 ]]; then set -- tests/check.sh; fi
[[ $(id -u) -eq 0 ]] || stop "making and entering a chroot needs root: run it as root"
command -v debootstrap >/dev/null || stop "debootstrap not found: apt-get install debootstrap"

chroots=${RELA_CHROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/rela/chroots}
mkdir -p "$chroots"
chroot=$(cd "$chroots" && pwd)/$suite
exec {lock}>"$chroot.lock"
flock -n "$lock" || { echo "waiting for another run in $chroot"; flock "$lock"; }

# ---- packages: from where this machine has them, for the other release ----

# proxy_of <http|https>: the proxy of apt's configuration, which debootstrap does not read.
proxy_of() {
  local Proxy=""
  eval "$(apt-config shell Proxy "Acquire::$1::Proxy")"
  if [[ $Proxy != DIRECT ]]; then echo "$Proxy"; fi
}
http_proxy=${http_proxy:-$(proxy_of http)}
https_proxy=${https_proxy:-$(proxy_of https)}
export http_proxy https_proxy

# shellcheck source=/dev/null
here=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
# "<address> <release>" of this machine's release, its updates and its security fixes.
sources() {
  # shellcheck disable=SC2016  # apt's variables
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 'Component: main' |
    awk -v here="$here" '$2 == here || $2 == here "-updates" || $2 == here "-security"' | sort -u
}

make_chroot() {
  local mirror
  mirror=$(sources | awk -v here="$here" '$2 == here { print $1; exit }')
  [[ -n $mirror ]] || stop "this machine's apt names no mirror of $here: nothing to take $suite from"
  echo "making $chroot from $mirror"
  rm -rf "$chroot.part"
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$chroot.part" "$mirror" \
    >"$chroot.log" 2>&1 || { tail -n 20 "$chroot.log" >&2; stop "debootstrap failed; $chroot.log has it all"; }
  mv "$chroot.part" "$chroot"
}
if [[ ! -d $chroot ]]; then make_chroot; fi

sources | sed -E "s|^(.*) $here(.*)$|deb \1 $suite\2 main|" >"$chroot/etc/apt/sources.list"
# Proxies, time-outs and the like; what names files or programs of this machine stays here.
apt-config dump | grep '^Acquire::' | grep -vE '::(Proxy-Auto-Detect|CA(Info|Path)|Ssl|IndexTargets)' \
  >"$chroot/etc/apt/apt.conf.d/99host"
cat /etc/resolv.conf >"$chroot/etc/resolv.conf"
cat /etc/hosts >"$chroot/etc/hosts"

# ---- the working tree ----

tree=$chroot/src/rela
mkdir -p "$tree"
# What another checkout built may be newer than this one's sources, and still not be of them.
if [[ $(cat "$chroot/src/source" 2>/dev/null) != "$root" ]]; then rm -rf "$tree"; mkdir -p "$tree"; fi
echo "$root" >"$chroot/src/source"
find "$tree" -mindepth 1 -maxdepth 1 ! -name 'build*' -exec rm -rf {} +
# Times of files are kept: what did not change is not compiled again.
git -C "$root" ls-files -z --cached --others --exclude-standard |
  (cd "$root" && while IFS= read -rd '' file; do if [[ -e $file ]]; then printf '%s\0' "$file"; fi; done) |
  tar -C "$root" --null -T - -cf - | tar -C "$tree" --no-same-owner -xf -

# ---- the command, in mount and process spaces of its own, which end with it ----

# shellcheck disable=SC2317  # called by the shell in those spaces
mount_and_run() {
  mount -t proc proc "$chroot/proc"
  mount --rbind /dev "$chroot/dev"
  if [[ -n $cache ]]; then
    mkdir -p "$chroot/ccache"
    mount --bind "$cache" "$chroot/ccache"
  fi
  if [[ -n $shared ]]; then
    mkdir -p "$chroot/src/shared"
    mount -o bind,ro "$shared" "$chroot/src/shared"
  fi
  # shellcheck disable=SC2016  # for the shell inside
  exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    CCACHE_DIR=/ccache ${cache_size:+CCACHE_MAXSIZE="$cache_size"} CI="${CI:-}" \
    http_proxy="$http_proxy" https_proxy="$https_proxy" \
    chroot "$chroot" sh -c 'cd /src/rela && exec "$@"' sh "$@"
}
cache=$(ccache --get-config cache_dir 2>/dev/null || true)
cache_size=$(ccache --get-config max_size 2>/dev/null || true)
if [[ -n $cache ]]; then mkdir -p "$cache"; fi
shared=""
folder=$root
while [[ -z $shared && $folder != / ]]; do
  folder=$(dirname "$folder")
  if [[ -d $folder/shared/data ]]; then shared=$folder/shared; fi
done
export chroot cache cache_size shared
export -f mount_and_run
unshare --mount --propagation private --pid --fork --kill-child bash -euc 'mount_and_run "$@"' bash "$@" \
  </dev/null &
# unshare blocks milder signals; what runs inside is killed with it.
trap 'kill -KILL $!' HUP INT TERM
status=0
wait $! || status=$?
exit "$status"
