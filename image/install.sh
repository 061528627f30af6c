#!/bin/sh
# Installs Debian packages in the versions of packages.txt. With --record, prints the current versions in the archive.
#
# The archive of a stable release keeps only the newest version of a package. If a fix has replaced a version of
# packages.txt, the script prints a warning and installs the newest version. Two builds give the same image as long as
# the archive has the same versions.
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
  fail "the base image is not Debian 13: set --build-arg BASE_IMAGE to a copy of debian:trixie-slim"

case ${DEBIAN_MIRROR:-} in
  '') ;;
  *[!A-Za-z0-9._~:/@%+-]*) fail "DEBIAN_MIRROR has a character that no URL of a mirror has: correct it, as in http://HOST/debian" ;;
  http://* | https://*) ;;
  *) fail "DEBIAN_MIRROR is '$DEBIAN_MIRROR', which is not a URL: set it to the URL of a mirror, as in http://HOST/debian" ;;
esac
if [ -n "${DEBIAN_MIRROR:-}" ]; then
  # Source lists have two formats. A mirror has the security archive next to the main archive.
  find /etc/apt \( -name '*.list' -o -name '*.sources' \) -exec \
    sed -E -i "s#https?://[^ ]*/debian(-security)?/?( |\$)#${DEBIAN_MIRROR%/}\\1\\2#" {} +
fi
# Without this option, apt ignores an archive that it cannot reach, and then finds no package.
if ! apt -o APT::Update::Error-Mode=any update 2>/tmp/stderr.txt; then
  cat /tmp/stderr.txt >&2
  if grep -q 'certificate verify failed' /tmp/stderr.txt; then
    fail "the certificate of Debian's archive is not trusted: $remedy"
  fi
  [ -z "$loopback" ] || fail "Debian's archive cannot be reached: $loopback"
  fail "Debian's archive cannot be reached: set a mirror (--build-arg DEBIAN_MIRROR=http://HOST/debian) or a proxy" \
    "(--build-arg HTTP_PROXY=URL). Without any network, build the image on another machine and copy it to this one (docs/without-a-registry.md)"
fi

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
    echo "warning: the archive no longer has $package: installing the version that it has" >&2
    wanted="$wanted ${package%%=*}"
  fi
done <"$here/packages.txt"
# shellcheck disable=SC2086  # a list of words
apt install --yes --no-install-recommends --allow-downgrades $wanted >/dev/null ||
  fail "Debian's archive did not send every package: build again, or set a mirror (--build-arg DEBIAN_MIRROR=http://HOST/debian)"
