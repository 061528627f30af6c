"""The messages by which people find their row in the troubleshooting table are those that programs print."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable

import pytest

from tests.consumers.known import CONSUMERS, RIGHT
from tests.consumers.running import ROOT, run
from tests.containers import engine
from tests.docs.clinic import gateway, quotes, tool
from tests.docs.markdown import section, spans
from tests.docs.mistakes import MISTAKES, Clinic
from tiktoken_cache_init.catalogue import VOCABULARIES

TABLE = section("README.md", "Troubleshooting").tables[0][1:]

Output = Callable[[Clinic], str]


def of_gateway(mistake: str) -> Output:
    def output(clinic: Clinic) -> str:
        return gateway(clinic.program, str(MISTAKES[mistake].make(clinic))).last_words

    return output


def of_gateway_of_another_user(clinic: Clinic) -> str:
    clinic.fill()
    for path in clinic.volume.iterdir():
        # Root reads anything; who is not root may still not read what has no such bit.
        path.chmod(0o600 if os.geteuid() == 0 else 0o200)
    user = (65534, 65534) if os.geteuid() == 0 else None
    return gateway(clinic.program, str(clinic.volume), user=user).last_words


def of_consumer(name: str) -> Output:
    """Return what a consumer says that finds nothing in the folder."""
    [consumer] = [consumer for consumer in CONSUMERS if consumer.name == name]
    return lambda clinic: run(consumer, clinic.volume, consumer.names).messages


def of_fill(*flags: str, **variables: str) -> Output:
    def output(clinic: Clinic) -> str:
        nowhere = str(clinic.place / "no-such-folder")
        source = ["--sources", "baked", "--baked-dir", nowhere]
        return tool("fill", "--cache-dir", str(clinic.volume), *source, *flags, variables=variables).err

    return output


def of_fill_by_another_user(clinic: Clinic) -> str:
    clinic.volume.chmod(0o555)
    source = ["--sources", "baked", "--baked-dir", str(clinic.vocabularies_for_all())]
    user = (65534, 65534) if os.geteuid() == 0 else None
    return tool("fill", "--cache-dir", str(clinic.volume), *source, user=user).err


def of_fill_of_a_read_only_mount(clinic: Clinic) -> str:
    return tool("fill", "--cache-dir", str(clinic.volume), read_only=clinic.volume).err


def of_a_container_without_a_mount(clinic: Clinic) -> str:
    engine.require_engine()
    return engine.run(engine.image(), [], options=["--network", "none"]).stderr


def of_docker_without_the_image(_: Clinic) -> str:
    engine.require_engine()
    absent = f"absent-{uuid.uuid4().hex[:12]}"
    done = engine.docker("run", "--rm", "--network", "none", absent, check=False)
    return done.stderr.replace(absent, "tiktoken-cache-init")


def of_compose(service: str) -> Output:
    """Return what compose says of the override beside a file with that service, where the image is not there."""

    def output(clinic: Clinic) -> str:
        engine.require_engine()
        absent = f"absent-{uuid.uuid4().hex[:12]}"
        override = (ROOT / "docker-compose.override.example.yml").read_text()
        (clinic.place / "override.yml").write_text(override.replace("image: tiktoken-cache-init", f"image: {absent}"))
        (clinic.place / "theirs.yml").write_text(f"services: {{{service}: {{image: {absent}, pull_policy: never}}}}")
        files = [word for name in ("theirs.yml", "override.yml") for word in ("-f", str(clinic.place / name))]
        compose = ["compose", "--project-name", absent, *files]
        done = engine.docker(*compose, "up", check=False)
        engine.docker(*compose, "down", "--volumes", check=False)
        return done.stderr.replace(absent, "tiktoken-cache-init")

    return output


WHENCE: dict[str, Output] = {
    'failed to get gpt-3.5-turbo token encoder: Get "https://...": ...': of_gateway("nothing was filled"),
    "failed to get gpt-4o token encoder: ...": of_gateway("cl100k_base only"),
    "... token encoder: illegal base64 data at input byte 0": of_gateway("a web page"),
    "... token encoder: illegal base64 data at input byte 4": of_gateway("cut within a token"),
    r'... token encoder: strconv.Atoi: parsing "0\r": invalid syntax': of_gateway("CRLF line ends"),
    "... token encoder: encoder and decoder map sizes are different": of_gateway("cut within a rank"),
    "panic: runtime error: index out of range [1] with length 1": of_gateway("cut behind a token"),
    "... token encoder: open ...: permission denied": of_gateway_of_another_user,
    "requests.exceptions.ConnectionError": of_consumer("tiktoken (Python) 0.14.0"),
    "error downloading or loading vocab file": of_consumer("openai-harmony 0.0.8"),
    "cannot write in ...: Permission denied: we are ...": of_fill_by_another_user,
    "... is mounted read-only and is not ready": of_fill_of_a_read_only_mount,
    "could not obtain ...": of_fill(),
    "no such setting exists; did you mean ...?": of_fill(TIKTOKEN_INIT_ENCODING="all"),
    "nothing is mounted at ...": of_a_container_without_a_mount,
    "Unable to find image 'tiktoken-cache-init:latest' locally": of_docker_without_the_image,
    "No such image: tiktoken-cache-init:latest": of_compose("new-api"),
    'service "new-api" has neither an image nor a build context specified': of_compose("gateway"),
}
"""A message, in which ``...`` stands for anything -> how a run is brought about that prints it."""


def messages() -> list[str]:
    return [span for row in TABLE for span in spans(row[0])]


@pytest.mark.parametrize("message", messages())
def test_a_message_is_printed_as_it_is_quoted(message: str, clinic: Clinic) -> None:
    assert message in WHENCE, f"README.md quotes a message that no test knows: add to WHENCE what prints {message!r}"
    printed = WHENCE[message](clinic)
    assert quotes(message, printed), printed


def test_the_error_at_the_top_is_the_gateways(clinic: Clinic) -> None:
    [fence] = [f for f in section("README.md", "The error, and the cure").fences if f.language == "text"]
    printed = of_gateway("nothing was filled")(clinic)
    assert [line for line in fence.lines if not quotes(line, printed)] == [], printed


def test_the_row_without_a_message_is_the_quiet_failure() -> None:
    [silent] = [row for row in TABLE if not spans(row[0])]
    assert "token counts are wrong" in silent[0]


@pytest.mark.parametrize("mistake", ["empty", "cut at a line's end", "names swapped"])
def test_the_quiet_failure_comes_without_a_message(mistake: str, clinic: Clinic) -> None:
    fate = gateway(clinic.program, str(MISTAKES[mistake].make(clinic)))
    assert (fate.outcome, fate.last_words) == ("counts-wrong", "")


def test_the_counts_that_the_contract_tells_of_were_counted(clinic: Clinic) -> None:
    [told] = re.findall(r"has (\d+) tokens\s+counts as (\d+) with empty", section("README.md", "The contract").prose)
    empty = gateway(clinic.program, str(MISTAKES["empty"].make(clinic))).counts
    assert empty is not None
    assert [int(count) for count in told] == [RIGHT["gpt-3.5-turbo"], empty["gpt-3.5-turbo"]]


def test_a_shortened_cache_key_is_one_of_ours() -> None:
    found = [s.removesuffix("...") for row in TABLE for cell in row for s in spans(cell) if s.endswith("...")]
    keys = [start for start in found if re.fullmatch("[0-9a-f]+", start)]
    assert keys
    assert [start for start in keys if not any(v.cache_key.startswith(start) for v in VOCABULARIES)] == []
