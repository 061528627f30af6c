#!/bin/sh
# Runs Python where the build needs a network; steps that need none start python3.13 itself. It comes with pip, which Debian
# has as a wheel that runs without being installed, and with trust. What fails for want of a network ends with a line that
# says which option of the build mends it.
set -eu
# shellcheck source=image/trust.sh
. "$(dirname "$0")/trust.sh"
PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl)${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
if [ -n "$bundle" ]; then
  export PIP_CERT="$bundle" TIKTOKEN_INIT_CA="$bundle"
fi

said=/tmp/said.txt
code=0
python3.13 "$@" 2>"$said" || code=$?
cat "$said" >&2
case "$code $*" in
  0\ *) ;;
  *'-m pip '*)
    if grep -q 'CERTIFICATE_VERIFY_FAILED\|certificate verify failed' "$said"; then
      echo "error: the certificate of the package index is not trusted. If a proxy breaks TLS here, hand its authority in:" \
        "--secret id=ca,src=FILE (PEM), or with compose: SSL_CERT_FILE=FILE" >&2
    elif grep -q 'DO NOT MATCH THE HASHES' "$said"; then
      echo "error: the package index sends other bytes than those that are pinned. Name another:" \
        "--build-arg PIP_INDEX_URL=URL" >&2
    else
      echo "error: the package index cannot be used from here. Name another (--build-arg PIP_INDEX_URL=URL) or a proxy" \
        "(--build-arg HTTPS_PROXY=URL); where there is no network at all, build elsewhere and carry the image over" \
        "(docs/air-gapped.md)" >&2
    fi
    ;;
  4\ *entrypoint.py*)
    echo "error: the vocabularies cannot be had from here. Hand them in, under their published names or cache keys:" \
      "--build-context vocabularies=DIR" >&2
    ;;
esac
exit "$code"
