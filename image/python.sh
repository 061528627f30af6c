#!/bin/sh
# Runs Python in the build steps that need a network. Adds pip (Debian's wheel of pip runs without installation) and the
# certificate authorities to trust. After a network failure, prints a line that names the build option to use.
set -eu
# shellcheck source=image/trust.sh
. "$(dirname "$0")/trust.sh"
PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl)${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
if [ -n "$bundle" ]; then
  export PIP_CERT="$bundle" TIKTOKEN_INIT_CA="$bundle"
fi

errors=/tmp/stderr.txt
code=0
python3.13 "$@" 2>"$errors" || code=$?
cat "$errors" >&2
case "$code $*" in
  0\ *) ;;
  *'-m pip '*)
    if grep -q 'CERTIFICATE_VERIFY_FAILED\|certificate verify failed' "$errors"; then
      echo "error: the certificate of the package index is not trusted: $remedy" >&2
    elif grep -q 'DO NOT MATCH THE HASHES' "$errors"; then
      echo "error: the package index sent other bytes than those that are pinned: set another index" \
        "(--build-arg PIP_INDEX_URL=URL)" >&2
    elif [ -n "$loopback" ]; then
      echo "error: the package index cannot be used: $loopback" >&2
    else
      echo "error: the package index cannot be used: set another one (--build-arg PIP_INDEX_URL=URL) or a proxy" \
        "(--build-arg HTTPS_PROXY=URL). Without any network, build the image on another machine and copy it to this one (docs/without-a-registry.md)" >&2
    fi
    ;;
  4\ *entrypoint.py*)
    echo "error: the vocabularies cannot be obtained: put the files into a directory, under their published names or cache" \
      "keys, and pass it: --build-context vocabularies=DIR" >&2
    ;;
esac
exit "$code"
