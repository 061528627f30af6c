"""The programs print the messages of docs/troubleshooting.md as the page quotes them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import pytest

from tests.containers import engine
from tests.containers.engine import ROOT
from tests.docs.markdown import read, spans
from tests.docs.running import RIGHT, Place, quotes
from tests.vocabularies import CL100K, O200K
from tiktoken_cache_init.advice import advised
from tiktoken_cache_init.catalogue import VOCABULARIES
from tiktoken_cache_init.errors import ModesError

PAGE = "docs/troubleshooting.md"
ROWS = [row for section in read(PAGE) for table in section.tables for row in table[1:]]

Output = Callable[[Place], str]


def of_gateway(change: Callable[[bytes], bytes] | None) -> Output:
    """Return the messages of the gateway for both files after a change, or for no files without a change."""

    def output(place: Place) -> str:
        if change:
            place.put(change)
        return place.gateway().err

    return output


def cut(end: Callable[[bytes], int]) -> Callable[[bytes], bytes]:
    """Keep at least 50,000 lines, and the next line with a long token up to ``end``."""

    def change(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        last = next(index for index in range(50_000, len(lines)) if lines[index].index(b" ") >= 8)
        return b"".join(lines[:last]) + lines[last][: end(lines[last])]

    return change


def of_gateway_without_o200k(place: Place) -> str:
    place.put()
    (place.volume / O200K.cache_key).unlink()
    return place.gateway().err


def of_gateway_without_permission(place: Place) -> str:
    place.put()
    for path in place.volume.iterdir():
        path.chmod(0)
    return place.gateway(nobody=True).err


def of_gateway_without_the_variable(place: Place) -> str:
    place.put()
    place.volume.rename(place.directory / "data-gym-cache")
    for path in (place.directory / "data-gym-cache").iterdir():
        path.chmod(0)
    return place.gateway(variables={"TMPDIR": str(place.directory)}, nobody=True).err


def of_fill(**variables: str) -> Output:
    return lambda place: place.tool("fill", variables=variables).err


def of_fill_of_an_empty_file(place: Place) -> str:
    place.put(lambda _: b"")
    return of_fill()(place)


def of_verify_at_the_deadline(place: Place) -> str:
    # The files must be read. Even so, a fast machine may finish before the alarm.
    place.put()
    tries = (place.tool("verify", "--deadline", "0.001").err for _ in range(50))
    return next((err for err in tries if err), "")


def of_container(*options: str, mount: str = "") -> Output:
    """Return the messages of the init container. ``mount`` is added to the mount of the volume."""

    def output(place: Place) -> str:
        mounts = [f"{place.volume}:/cache/tiktoken{mount}"]
        return engine.run(engine.image(), mounts, options=[*engine.LOCKED_DOWN, *options]).stderr

    return output


def of_container_without_a_mount(_: Place) -> str:
    return engine.run(engine.image(), []).stderr


def of_docker_without_the_image(_: Place) -> str:
    absent = f"absent-{uuid.uuid4().hex[:12]}"
    done = engine.docker("run", "--rm", "--network", "none", absent, check=False)
    return done.stderr.replace(absent, "tiktoken-cache-init")


def of_docker_with_a_name_twice(_: Place) -> str:
    name = f"twice-{uuid.uuid4().hex[:12]}"
    engine.docker("create", "--name", name, "--pull", "never", "busybox")
    done = engine.docker("create", "--name", name, "--pull", "never", "busybox", check=False)
    engine.docker("rm", name)
    return done.stderr.replace(name, "new-api")


def of_compose_without_the_override(place: Place) -> str:
    path = place.directory / "docker-compose.yml"
    path.write_text("services: {new-api: {image: busybox}}\n", encoding="utf-8")
    return engine.docker("compose", "-f", str(path), "run", "--rm", "tiktoken-init", "verify", check=False).stderr


def of_compose(
    image: Callable[[], str],
    service: str = "new-api",
    volume: str = "tiktoken:/cache/tiktoken",
    change: Callable[[str], str] = str,
    more: str = "",
    then: str = "",
) -> Output:
    """Return the messages of Compose for the changed override, together with a file that has one service.

    ``then`` is a command that runs after the container of the init service was removed.
    """

    def output(place: Place) -> str:
        name = f"tiktoken-page-{uuid.uuid4().hex[:12]}"
        theirs = f"""
services:
  {service}: {{image: busybox, pull_policy: never, command: [echo, started]}}
"""
        last = f"""
services:
  tiktoken-init: {{image: {image()}, volumes: ["{volume}"]}}
"""
        files = []
        override = (ROOT / "docker-compose.override.example.yml").read_text(encoding="utf-8")
        for file, text in (("theirs", theirs), ("override", change(override)), ("last", last), ("more", more)):
            path = place.directory / f"{file}.yml"
            path.write_text(text, encoding="utf-8")
            files += ["-f", str(path)]
        compose = ["compose", "--project-name", name, *files]
        done = engine.docker(*compose, "up", check=False)
        if then:
            engine.docker(*compose, "rm", "--force", "tiktoken-init")
            done = engine.docker(*compose, then, check=False)
        engine.docker(*compose, "down", "--volumes", check=False)
        return (done.stdout + done.stderr).replace("absent-image", "tiktoken-cache-init")

    return output


PRINTED: dict[str, Output] = {
    # The init container.
    'service "tiktoken-init" didn\'t complete successfully: exit ...': of_compose(
        engine.image, volume="tiktoken:/cache/tiktoken:ro"
    ),
    "cannot write in ...: Permission denied: ...": of_container("--user", "1234"),
    "nothing is mounted at ...": of_container_without_a_mount,
    "... is mounted read-only and is not ready: ...": of_container(mount=":ro"),
    "... does not keep permissions: ...": lambda _: str(advised(ModesError("/cache/tiktoken", 0o700, 0o755))),
    "could not obtain ...": of_fill(TIKTOKEN_INIT_SOURCES="fetch", TIKTOKEN_INIT_ORIGIN="off"),
    "the deadline of ... passed and ... does not answer: ...": of_verify_at_the_deadline,
    "no such setting exists: write ...": of_fill(TIKTOKEN_INIT_MIRROR="/mirror"),
    "the path is relative, ...": of_fill(TIKTOKEN_CACHE_DIR="data/cache"),
    "a stray space or quote is part of the path ...": of_fill(TIKTOKEN_CACHE_DIR=" /cache/tiktoken"),
    "unknown encoding ...": of_fill(TIKTOKEN_INIT_ENCODINGS="cl10k"),
    "... is a model, not an encoding: write ...": of_fill(TIKTOKEN_INIT_ENCODINGS="gpt-4o"),
    "warning: a gateway (New-API, one-api) also loads ... when it starts: ...": of_fill(
        TIKTOKEN_INIT_ENCODINGS="cl100k_base"
    ),
    "restart a gateway that is already running: ...": of_fill_of_an_empty_file,
    # The gateways.
    'failed to get gpt-3.5-turbo token encoder: Get "https://...": ...': of_gateway(None),
    "failed to get gpt-4o token encoder: ...": of_gateway_without_o200k,
    "... token encoder: illegal base64 data at input byte 0": of_gateway(lambda _: b"<!DOCTYPE html>\n<html></html>\n"),
    "... token encoder: illegal base64 data at input byte 4": of_gateway(cut(lambda _: 6)),
    "... token encoder: encoder and decoder map sizes are different": of_gateway(cut(lambda _: -2)),
    "panic: runtime error: index out of range [1] with length 1": of_gateway(cut(lambda line: line.index(b" "))),
    r'... token encoder: strconv.Atoi: parsing "0\r": invalid syntax': of_gateway(
        lambda content: content.replace(b"\n", b"\r\n")
    ),
    "... token encoder: open ...: permission denied": of_gateway_without_permission,
    "... token encoder: open ...data-gym-cache...: permission denied": of_gateway_without_the_variable,
    # Docker and Compose.
    "Unable to find image 'tiktoken-cache-init:latest' locally": of_docker_without_the_image,
    "No such image: tiktoken-cache-init:latest": of_compose(lambda: "absent-image"),
    'service "new-api" has neither an image nor a build context specified': of_compose(
        lambda: "busybox", service="gateway"
    ),
    'service "..." refers to undefined volume tiktoken': of_compose(
        lambda: "busybox", change=lambda text: text.partition("\nvolumes:")[0]
    ),
    "no such service: tiktoken-init": of_compose_without_the_override,
    'mapping key "..." already defined': of_compose(lambda: "busybox", change=lambda text: f"{text}\nservices: {{}}\n"),
    "service tiktoken-init declares mutually exclusive ...": of_compose(
        lambda: "busybox", more="services: {tiktoken-init: {networks: [default]}}"
    ),
    "... is missing dependency tiktoken-init": of_compose(engine.image, then="start"),
    'Conflict. The container name "/new-api" is already in use': of_docker_with_a_name_twice,
}
"""Message, in which ``...`` stands for anything -> function that produces it."""

READ = {
    'failed to get token encoder for model ...: Get "https://...": ..., using encoder for gpt-3.5-turbo': "one-api, "
    "relay/adaptor/openai/token.go",
    "failed to get token encoder for model ...: no encoding for model ..., using encoder for gpt-3.5-turbo": "the same",
    "... token encoder: open ...: read-only file system": "pkoukk/tiktoken-go v0.1.7 with a network",
    "OSError: [Errno 30] Read-only file system: '...tmp'": "tiktoken 0.14.0 with a network",
    "verify": "tests/docs/test_verify.py",
    "ready": "the same",
    "PermissionError: ... Permission denied: '/tmp/data-gym-cache/...'": "openai/tiktoken#75",
    "requests.exceptions.ConnectionError": "run in tests/consumers",
    "error downloading or loading vocab file": "run in tests/consumers",
    "invalid tiktoken vocab file: No such file or directory": "run in tests/consumers",
    "Additional property image is not allowed": "Compose 2.26 with examples/image-mount.override.yml",
    "could not find tiktoken-init: not found": "Compose 2.26 and 2.40, if the gateway was stopped before",
    "docker compose up -d": "Compose 2.26 with `restart: always`",
    "docker compose ps -a": "the same",
    "tiktoken-init": "the same",
    "Restarting (0)": "the same",
    "exec /usr/bin/python3.13: operation not permitted": "reported for Docker from the snap store",
    "ERROR: failed to solve: ...": "run in tests/containers/test_build_failures.py",
}
"""Message that no test here produces -> where it was seen."""


def messages() -> list[str]:
    found = [span for row in ROWS for span in spans(row[0])]
    return [message for message in found if message not in READ and not message.endswith(":")]


@pytest.mark.parametrize("message", messages())
def test_a_message_is_printed_as_it_is_quoted(message: str, place: Place) -> None:
    assert message in PRINTED, (
        f"{PAGE} quotes a message that no test produces: add a function that produces it to PRINTED"
    )
    printed = PRINTED[message](place)
    assert quotes(message, printed), printed


def test_the_page_quotes_every_message_that_is_known_here() -> None:
    quoted = {span for row in ROWS for span in spans(row[0])}
    assert {*PRINTED, *READ} - quoted == set()


def test_the_first_row_is_the_one_that_compose_users_see() -> None:
    assert spans(ROWS[0][0]) == ['service "tiktoken-init" didn\'t complete successfully: exit ...']


def test_the_error_on_the_front_page_is_the_gateways(place: Place) -> None:
    [fence] = [fence for section in read("README.md") for fence in section.fences if fence.language == "text"]
    printed = place.gateway().err
    assert [line for line in fence.lines if not quotes(line, printed)] == [], printed


@pytest.mark.parametrize("mistake", ["empty", "cut at a line's end", "swapped"])
def test_a_gateway_with_wrong_files_can_start_without_a_message(mistake: str, place: Place) -> None:
    place.put({"empty": lambda _: b"", "cut at a line's end": cut(lambda _: 0)}.get(mistake, bytes))
    if mistake == "swapped":
        (place.volume / CL100K.cache_key).rename(place.volume / "x")
        (place.volume / O200K.cache_key).rename(place.volume / CL100K.cache_key)
        (place.volume / "x").rename(place.volume / O200K.cache_key)
    said = place.gateway()
    assert (said.code, said.err) == (0, "")
    assert place.counts() not in (RIGHT, None)


def test_the_counts_on_the_front_page_are_those_of_the_gateway(place: Place) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [told] = re.findall(r"With empty files, a sentence of (\d+) tokens counts as (\d+)\.", text)
    place.put(lambda _: b"")
    empty = place.counts()
    assert empty is not None
    assert [int(count) for count in told] == [RIGHT["gpt-3.5-turbo"], empty["gpt-3.5-turbo"]]


def test_a_shortened_cache_key_is_one_of_the_catalogue() -> None:
    found = [span.removesuffix("...") for row in ROWS for cell in row for span in spans(cell) if span.endswith("...")]
    keys = [start for start in found if re.fullmatch("[0-9a-f]+", start)]
    assert keys
    assert [start for start in keys if not any(each.cache_key.startswith(start) for each in VOCABULARIES)] == []


@pytest.mark.needs("root")
def test_verify_as_a_user_reports_what_that_user_can_read(place: Place) -> None:
    place.put()
    assert place.tool("verify", nobody=True).code == 0
    (place.volume / CL100K.cache_key).chmod(0o600)
    said = place.tool("verify", nobody=True)
    assert said.code == 1
    assert "unreadable for user 65534" in said.out
