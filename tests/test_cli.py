from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import pytest

from tests.samples import ROOT, Ended, command, names_in, process
from tiktoken_cache_init import __version__, cli
from tiktoken_cache_init import export as exporting
from tiktoken_cache_init import fill as filling
from tiktoken_cache_init import verify as verification
from tiktoken_cache_init.catalogue import VOCABULARIES
from tiktoken_cache_init.errors import Stopped
from tiktoken_cache_init.run import DeadlinePassed, Run

NAMES = sorted(known.cache_key for known in VOCABULARIES[:2])


@pytest.fixture
def offline(vocabularies: Path) -> list[str]:
    """Flags of a run that has every vocabulary at hand and no other source."""
    return ["--sources=baked", f"--baked-dir={vocabularies}"]


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder


@pytest.fixture
def filled(volume: Path, offline: list[str]) -> Path:
    assert command("--cache-dir", str(volume), *offline).code == 0
    return volume


def ended(running: subprocess.Popen[bytes]) -> Ended:
    out, err = running.communicate(timeout=60)
    return Ended(running.returncode, out or b"", (err or b"").decode())


@pytest.fixture
def unmounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the image, where nothing is mounted."""
    for module in (filling, exporting, verification):
        monkeypatch.setattr(module, "unmounted", lambda path: f"nothing is mounted at {path}: mount it")


@pytest.mark.usefixtures("unmounted")
def test_a_fill_of_a_folder_that_goes_with_the_container_writes_nothing(volume: Path, offline: list[str]) -> None:
    done = command("--json", "--cache-dir", str(volume), *offline)
    assert done.code == 3
    said = f"nothing is mounted at {volume}: mount it"
    assert done.stderr.splitlines()[1:] == [f"tiktoken-cache-init: error: {said}"]
    document = json.loads(done.stdout)
    assert (document["ready"], document["error"], document["files"]) == (False, said, [])
    assert names_in(volume) == []


def test_a_verification_of_a_folder_that_goes_with_the_container_is_not_ready(filled: Path, unmounted: None) -> None:
    done = command("verify", "--cache-dir", str(filled))
    said = f"nothing is mounted at {filled}: mount it"
    assert (done.code, done.stdout.decode().splitlines()) == (1, [said, f"not ready: {filled}"])
    document = json.loads(command("verify", "--json", "--cache-dir", str(filled)).stdout)
    assert (document["ready"], document["problems"], document["files"]) == (False, [said], [])


def test_an_export_needs_no_mount_but_says_so_where_there_is_nothing(
    filled: Path, unmounted: None, tmp_path: Path
) -> None:
    assert command("export", "--cache-dir", str(filled)).code == 0
    (filled / NAMES[0]).unlink()
    for folder in (filled, tmp_path / "none"):
        done = command("export", "--cache-dir", str(folder))
        said = f"tiktoken-cache-init: error: nothing is mounted at {folder}: mount it\n"
        assert (done.code, done.stdout, done.stderr) == (1, b"", said)


def test_a_volume_that_does_not_answer_is_not_waited_for(
    volume: Path, offline: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(_: Run, work: object, grace: float = 0) -> NoReturn:
        raise DeadlinePassed

    monkeypatch.setattr(Run, "wait_for", hang)
    for name in ("fill", "verify", "export"):
        done = command(name, "--cache-dir", str(volume), "--deadline=7", *offline)
        assert done.code == 3
        assert f"the deadline of 7 s passed and {volume} does not answer: check its storage" in done.stderr


def test_a_bug_is_one_line_with_its_place_and_without_secrets(
    volume: Path, offline: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object) -> NoReturn:
        raise KeyError("the secret")

    monkeypatch.setattr(cli, "fill", bug)
    mirror = ["--mirror", "http://user:secret@a.example"]
    done = command("--cache-dir", str(volume), *offline, *mirror)
    assert done.code == 70
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "tiktoken-cache-init: error: a bug in this program, please report it: KeyError: 'the ***' at "
    )
    assert "tiktoken_cache_init/cli.py:" in last


def test_an_error_of_the_system_is_not_blamed_on_standard_output(
    volume: Path, offline: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(cli, "fill", fail)
    done = command("--cache-dir", str(volume), *offline)
    assert done.code == 70
    assert "standard output" not in done.stderr


def test_a_signal_that_was_caught_has_its_code(
    volume: Path, offline: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> NoReturn:
        raise Stopped(signal.SIGTERM)

    monkeypatch.setattr(cli, "fill", stopped)
    done = command("--cache-dir", str(volume), *offline)
    assert done.code == 143
    assert "stopped by signal 15" in done.stderr


def test_the_module_and_the_entry_point_are_the_same_program() -> None:
    for start in (["-m", "tiktoken_cache_init"], ["entrypoint.py"]):
        done = subprocess.run([sys.executable, *start, "--version"], cwd=ROOT, capture_output=True, check=True)
        assert done.stdout.decode() == f"tiktoken-cache-init {__version__}\n"
        assert not done.stderr


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "--json"], ["fill", "--json"], ["list"]])
def test_a_terminal_without_unicode_is_written_to_in_escapes(
    tmp_path: Path, offline: list[str], arguments: list[str]
) -> None:
    folder = tmp_path / "café"
    folder.mkdir()
    extra = ["--extra", f"https://a.example/é.bin#sha256={'0' * 64}"] if arguments[0] == "list" else []
    environment = {"PYTHONIOENCODING": "ascii"}
    done = ended(process(*arguments, "--cache-dir", str(folder), *offline, *extra, environment=environment))
    assert done.code in (0, 1)
    assert done.stdout.isascii()


def test_a_worker_that_hangs_does_not_hold_up_the_end(volume: Path) -> None:
    program = (
        "import sys, time\n"
        "from tiktoken_cache_init import cli, __main__\n"
        "cli.fill = lambda *_: time.sleep(600)\n"
        f"sys.argv = ['x', '--cache-dir={volume}', '--deadline=0.1']\n"
        "__main__.run()"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 3
    assert time.monotonic() - began < 30


# What a short run does not load.


def loaded(*arguments: str) -> set[str]:
    program = (
        "import os, sys\n"
        "from tiktoken_cache_init.cli import main\n"
        "code = main(sys.argv[1:], {}, sys.stdout, sys.stderr)\n"
        "sys.stdout.write('\\n' + ' '.join(sys.modules)); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{program}", *arguments],
        capture_output=True,
        check=True,
    )
    return set(done.stdout.decode().splitlines()[-1].split())


def test_a_fill_from_the_image_loads_neither_the_http_client_nor_what_only_failures_need(
    volume: Path, offline: list[str]
) -> None:
    modules = loaded("--cache-dir", str(volume), *offline)
    assert "tiktoken_cache_init.sources.baked" in modules
    assert modules & {"httpx", "ssl", "difflib", "json", "tarfile", "tiktoken_cache_init.sources.fetch"} == set()


def test_a_fill_that_finds_everything_right_loads_nothing_to_put_it_right_with(filled: Path) -> None:
    modules = loaded("--cache-dir", str(filled))
    ours = {name.removeprefix("tiktoken_cache_init.") for name in modules}
    assert "volume" in ours
    needless = {
        "diagnosis",
        "export",
        "gateway",
        "job",
        "progress",
        "recognition",
        "sources",
        "staging",
        "supply",
        "verify",
    }
    assert ours & {*needless, "binascii", "httpx", "ssl", "json"} == set()
