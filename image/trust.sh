# shellcheck shell=sh disable=SC2034  # sourced, so what is set here is used elsewhere
#
# Sourced by the build's scripts: trust in the authorities of the build secret `ca`, and the proxies under apt's names for
# them. $bundle is the file of all authorities to trust, or empty where the base image and the secret bring none.
bundle=
for file in /etc/ssl/certs/ca-certificates.crt /run/secrets/ca; do
  if [ -s "$file" ]; then
    bundle=/tmp/authorities.pem
    cat "$file"
    # The next file must begin on a line of its own.
    echo
  fi
done >/tmp/authorities.pem
# apt reads the lower-case names only, and builds are mostly given the others.
export http_proxy="${http_proxy:-${HTTP_PROXY:-}}" https_proxy="${https_proxy:-${HTTPS_PROXY:-}}"
export no_proxy="${no_proxy:-${NO_PROXY:-}}"
