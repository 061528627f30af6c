#!/bin/sh
# Installs Debian's packages in the versions that packages.txt records.
#
# A stable release's archive keeps only the newest of each, and a version leaves it because a fix takes its place. So a
# version that is gone is not an error: the one that took its place is installed, and a line says so. Two builds give the
# same image as long as the archive holds the same versions; `make packages` records the ones it holds now.
set -eu
here=$(dirname "$0")
# shellcheck source=image/trust.sh
. "$here/trust.sh"

apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq ${bundle:+-o "Acquire::https::CAInfo=$bundle"} "$@"
}

apt update
wanted=
while read -r package; do
  case $package in '' | '#'*) continue ;; esac
  if [ -n "$(apt-cache show "$package" 2>/dev/null)" ]; then
    wanted="$wanted $package"
  else
    echo "warning: the archive has no $package any more: installing what it has" >&2
    wanted="$wanted ${package%%=*}"
  fi
done <"$here/packages.txt"
# shellcheck disable=SC2086  # a list of words
apt install --yes --no-install-recommends --allow-downgrades $wanted >/dev/null
