#!/bin/sh
# Installs Debian's packages in the versions that packages.txt records; with --record, prints the versions to record.
#
# A stable release's archive keeps only the newest of each, and a version leaves it because a fix takes its place. So a
# version that is gone is not an error: the one that took its place is installed, and a line says so. Two builds give the
# same image while the archive holds the same versions. To record those that it holds now:
#
#   docker build --no-cache-filter recorded --target packages --output image .
set -eu
here=$(dirname "$0")
# shellcheck source=image/trust.sh
. "$here/trust.sh"

fail() {
  echo "error: $*" >&2
  exit 1
}

apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq ${bundle:+-o "Acquire::https::CAInfo=$bundle"} "$@"
}

grep -qs '^VERSION_CODENAME=trixie$' /etc/os-release ||
  fail "the base image is not Debian 13: give --build-arg BASE_IMAGE a copy of debian:trixie-slim"

case ${DEBIAN_MIRROR:-} in
  '' | http://* | https://*) ;;
  *) fail "DEBIAN_MIRROR is '$DEBIAN_MIRROR', and must be the URL of a mirror, as in http://HOST/debian" ;;
esac
case ${DEBIAN_MIRROR:-} in *[!A-Za-z0-9._~:/@%+-]*) fail "DEBIAN_MIRROR has a character in it that no mirror's URL has" ;; esac
if [ -n "${DEBIAN_MIRROR:-}" ]; then
  # In both of apt's formats. A mirror has the security archive, where it is one of its own, beside the main one.
  find /etc/apt \( -name '*.list' -o -name '*.sources' \) -exec \
    sed -E -i "s#https?://[^ ]*/debian(-security)?/?( |\$)#${DEBIAN_MIRROR%/}\\1\\2#" {} +
fi
# By itself it would go on without what it cannot reach, and then know no package.
apt -o APT::Update::Error-Mode=any update || fail "Debian's archive cannot be used from here. Name a proxy" \
  "(--build-arg HTTP_PROXY=URL) or a mirror (--build-arg DEBIAN_MIRROR=http://HOST/debian); where there is no network at" \
  "all, build elsewhere and carry the image over (docs/air-gapped.md)"

if [ "${1:-}" = --record ]; then
  while IFS='=' read -r name _; do
    case $name in '' | '#'*) continue ;; esac
    echo "$name=$(apt-cache policy "$name" | sed -n 's/^  Candidate: //p')"
  done <"$here/packages.txt"
  exit
fi
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
apt install --yes --no-install-recommends --allow-downgrades $wanted >/dev/null ||
  fail "Debian's archive broke off: build again, or name a mirror (--build-arg DEBIAN_MIRROR=http://HOST/debian)"
