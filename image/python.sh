#!/bin/sh
# Runs Python in the build: with pip, which Debian has as a wheel that runs without being installed, and with trust.
set -eu
# shellcheck source=image/trust.sh
. "$(dirname "$0")/trust.sh"
PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl)${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
if [ -n "$bundle" ]; then
  export PIP_CERT="$bundle" TIKTOKEN_INIT_CA="$bundle"
fi
exec python3.13 "$@"
