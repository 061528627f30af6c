# shellcheck shell=sh disable=SC2034  # this file is sourced, so its variables are used elsewhere
#
# Sets $bundle to a file with the certificate authorities of the base image and of the build secret `ca`, or to nothing
# if there are none. Exports the proxy variables in lower case. Sets $remedy, the advice for a certificate error, and
# $loopback, the advice for a proxy on the loopback interface, or nothing if there is none.
bundle=
for file in /etc/ssl/certs/ca-certificates.crt /run/secrets/ca; do
  if [ -s "$file" ]; then
    bundle=/tmp/authorities.pem
    cat "$file"
    # The next file must begin on a new line.
    echo
  fi
done >/tmp/authorities.pem
# apt reads only the lower-case names, and most users pass the upper-case ones.
export http_proxy="${http_proxy:-${HTTP_PROXY:-}}" https_proxy="${https_proxy:-${HTTPS_PROXY:-}}"
export no_proxy="${no_proxy:-${NO_PROXY:-}}"
remedy="if a proxy intercepts TLS here, pass the certificate of its authority (PEM): --secret id=ca,src=FILE, or with compose \
SSL_CERT_FILE=FILE"
loopback=
case " $http_proxy $https_proxy" in
  *[\ /@]127.* | *[\ /@]localhost* | *[\ /@]\[::1\]*)
    loopback="the proxy's address is the build container itself: build with --network host (compose: build: {network: host}), \
and check that the proxy runs"
    ;;
esac
