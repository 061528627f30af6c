# shellcheck shell=sh disable=SC2034  # this file is sourced, so its variables are used elsewhere
#
# Sets $bundle to a file of all certificate authorities to trust: those of the base image and of the build secret `ca`. It is
# empty if neither has any. Also exports the proxies in the spelling that apt reads, and sets $remedy for an error.
bundle=
for file in /etc/ssl/certs/ca-certificates.crt /run/secrets/ca; do
  if [ -s "$file" ]; then
    bundle=/tmp/authorities.pem
    cat "$file"
    # The next file must begin on a new line.
    echo
  fi
done >/tmp/authorities.pem
# apt reads the lower-case names only, and most people pass the others.
export http_proxy="${http_proxy:-${HTTP_PROXY:-}}" https_proxy="${https_proxy:-${HTTPS_PROXY:-}}"
export no_proxy="${no_proxy:-${NO_PROXY:-}}"
remedy="if a proxy intercepts TLS here, pass the certificate of its authority (PEM): --secret id=ca,src=FILE, or with compose \
SSL_CERT_FILE=FILE"
