"""Output and exit code of each command."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.drivers import Container, Driver
from tests.machine import needs
from tests.states import READY
from tests.vocabularies import CL100K, O200K
from tiktoken_cache_init import __version__
from tiktoken_cache_init.catalogue import ENCODINGS, VOCABULARIES

NAMES = sorted(known.cache_key for known in (CL100K, O200K))
DIGEST = "ab" * 32
NOWHERE = ("--sources", "fetch", "--origin", "off")
"""Options of a fill whose only source is the volume itself."""
COMMANDS = ("fill", "verify", "list", "export", "path")
RED, GREEN, PLAIN = b"\x1b[31m", b"\x1b[32m", b"\x1b[0m"


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


# fill.


def test_fill_writes_nothing_on_stdout_and_one_line_for_each_file_on_stderr(
    driver: Driver, volume: Path, offline: list[str]
) -> None:
    done = driver.run("--cache-dir", str(volume), *offline)
    assert (done.code, done.stdout) == (0, b"")
    first, *files, last = done.stderr.splitlines()
    assert re.fullmatch(
        rf"tiktoken-cache-init {__version__}: fill {volume} as \d+:\d+: cl100k_base, o200k_base from baked", first
    )
    assert files == [f"{v.published_name} ({v.cache_key}): installed from baked" for v in (CL100K, O200K)]
    assert re.fullmatch(rf"ready: 2 files in {volume} \(\d+\.\d\d s\)", last)
    assert names_in(volume) == NAMES


def test_fill_of_a_ready_directory_changes_nothing_and_asks_for_no_restart(
    driver: Driver, filled: Path, offline: list[str]
) -> None:
    before = [(filled / name).stat().st_mtime_ns for name in NAMES]
    done = driver.run("--cache-dir", str(filled), *offline)
    assert done.code == 0
    assert done.stderr.count(": already right\n") == 2
    assert "restart" not in done.stderr
    assert [(filled / name).stat().st_mtime_ns for name in NAMES] == before


def test_fill_of_wrong_files_says_what_they_were_and_asks_for_a_restart(
    driver: Driver, filled: Path, offline: list[str]
) -> None:
    (filled / CL100K.cache_key).write_bytes(b"")
    done = driver.run("--cache-dir", str(filled), *offline)
    assert done.code == 0
    name = f"{CL100K.published_name} ({CL100K.cache_key})"
    assert f"{name}: was empty (0 bytes): replaced from baked\n" in done.stderr
    assert "restart a gateway that is already running: it read its files when it started\n" in done.stderr


@pytest.mark.parametrize(
    ("wanted", "also"), [("cl100k_base", "o200k_base"), ("o200k_base", "cl100k_base"), ("gpt2", ""), ("all", "")]
)
def test_fill_warns_if_a_gateway_needs_more_than_was_asked_for(
    driver: Driver, volume: Path, offline: list[str], wanted: str, also: str
) -> None:
    done = driver.run("--cache-dir", str(volume), "--encodings", wanted, *offline)
    assert done.code == 0
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert [f"add {also} to TIKTOKEN_INIT_ENCODINGS" in line for line in warnings] == ([True] if also else [])
    verified = driver.run("verify", "--cache-dir", str(volume), "--encodings", wanted)
    assert (verified.stdout.decode().splitlines()[-1] == READY) == (wanted == "all")


def test_fill_does_not_warn_if_the_directory_holds_the_other_file_of_a_gateway(
    driver: Driver, filled: Path, offline: list[str]
) -> None:
    done = driver.run("--cache-dir", str(filled), "--encodings", "cl100k_base", *offline)
    assert done.code == 0
    assert "warning" not in done.stderr


def test_the_environment_alone_is_enough_and_fills_what_is_baked(driver: Driver, volume: Path) -> None:
    # Compose files pass an empty variable if it is not set. Then every baked encoding is wanted.
    environment = {"TIKTOKEN_CACHE_DIR": str(volume), "TIKTOKEN_INIT_ENCODINGS": ""}
    assert driver.run(environment=environment).code == 0
    assert names_in(volume) == sorted(known.cache_key for known in VOCABULARIES)
    assert driver.run("verify", environment=environment).code == 0


def test_a_relative_path_is_shown_absolute(driver: Driver, offline: list[str]) -> None:
    done = driver.run("verify", "--cache-dir", "no/such/directory")
    assert done.code == 1
    assert re.search(r"(there is no directory|nothing is mounted at) /\S*no/such/directory", done.said)


def test_fill_writes_its_result_as_json_on_stdout_and_its_log_as_json_on_stderr(
    driver: Driver, volume: Path, offline: list[str]
) -> None:
    done = driver.run("fill", "--json", "--log=json", "--cache-dir", str(volume), *offline)
    document = json.loads(done.stdout)
    assert (document["schema"], document["ready"]) == (1, True)
    assert [file["action"] for file in document["files"]] == ["installed"] * 2
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events == ["start", "file", "file", "ready"]


def test_a_fill_that_fails_gives_the_reason_in_its_exit_code_its_json_and_its_log(driver: Driver, volume: Path) -> None:
    done = driver.run("--json", "--cache-dir", str(volume), *NOWHERE)
    assert done.code == 4
    document = json.loads(done.stdout)
    assert document["ready"] is False
    assert done.stderr.splitlines()[-1] == f"tiktoken-cache-init: error: {document['error']}"


@pytest.mark.parametrize("deadline", ["0.05", "0.1"])
def test_a_deadline_after_failed_sources_reports_the_sources(driver: Driver, volume: Path, deadline: str) -> None:
    # A fill tries again after a tenth of a second, so the deadline passes while it sleeps.
    done = driver.run("--cache-dir", str(volume), *NOWHERE, "--deadline", deadline)
    assert done.code == 4
    assert "could not obtain cl100k_base.tiktoken" in done.stderr


def test_a_fill_without_a_directory_still_writes_its_json(driver: Driver, tmp_path: Path, offline: list[str]) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for name, reason in (("file", "is not a directory"), ("link", "")):
        done = driver.run("--json", "--cache-dir", f"{tmp_path}/{name}", *offline)
        assert done.code == 3
        document = json.loads(done.stdout)
        assert (document["ready"], document["files"]) == (False, [])
        assert reason in document["error"]


def test_right_bytes_are_found_among_thousands_of_other_files(
    driver: Driver, tmp_path: Path, vocabularies: Path
) -> None:
    shutil.copy(vocabularies / CL100K.cache_key, tmp_path / "cl100k_base.tiktoken")
    shutil.copy(vocabularies / O200K.cache_key, tmp_path / O200K.cache_key)
    for number in range(20_001):
        (tmp_path / f"{number:06}").touch()
    assert driver.run("--cache-dir", str(tmp_path), *NOWHERE).code == 0


@pytest.mark.parametrize("way", ["./", "d/", "d/./"])
def test_a_link_to_a_file_that_the_fill_overwrites_is_replaced(
    driver: Driver, volume: Path, offline: list[str], vocabularies: Path, way: str
) -> None:
    # The target of the link is right when the fill inspects it, and then the fill overwrites it.
    shutil.copy(vocabularies / CL100K.cache_key, volume / O200K.cache_key)
    (volume / "d").symlink_to(".")
    (volume / CL100K.cache_key).symlink_to(f"{way}{O200K.cache_key}")
    assert driver.run("--cache-dir", str(volume), *offline).code == 0
    assert driver.run("verify", "--cache-dir", str(volume)).code == 0


@pytest.fixture
def immutable(volume: Path) -> Iterator[Path]:
    """Make a directory with a wrong file that even root cannot replace."""
    needs("chattr")
    file = volume / CL100K.cache_key
    file.touch()
    subprocess.run(["chattr", "+i", file], check=True)
    yield volume
    subprocess.run(["chattr", "-i", file], capture_output=True, check=True)


def test_an_immutable_file_is_reported_with_the_command_that_frees_it(
    driver: Driver, immutable: Path, offline: list[str]
) -> None:
    done = driver.run("--cache-dir", str(immutable), *offline)
    assert done.code == 3
    assert re.search("immutable.*run: chattr -R -i DIRECTORY", done.stderr)
    subprocess.run(["chattr", "-R", "-i", immutable], check=True)
    assert driver.run("--cache-dir", str(immutable), *offline).code == 0


# verify.


def test_verify_writes_its_result_on_stdout_and_nothing_on_stderr(driver: Driver, filled: Path) -> None:
    done = driver.run("verify", "--cache-dir", str(filled))
    assert (done.code, done.stderr) == (0, "")
    *files, last = done.stdout.decode().splitlines()
    assert files == [f"{v.published_name} ({v.cache_key}): right" for v in (CL100K, O200K)]
    assert last == READY


def test_verify_reports_for_each_wrong_file_the_effect_on_a_gateway_and_the_fix(driver: Driver, filled: Path) -> None:
    (filled / CL100K.cache_key).write_bytes(b"")
    (filled / O200K.cache_key).unlink()
    done = driver.run("verify", "--cache-dir", str(filled))
    assert (done.code, done.stderr) == (1, "")
    assert done.stdout.decode().splitlines() == [
        f"cl100k_base.tiktoken ({CL100K.cache_key}): WRONG: empty (0 bytes)",
        "  gateway: starts and counts wrong",
        "  fix: run fill",
        f"o200k_base.tiktoken ({O200K.cache_key}): missing",
        "  gateway: does not start: failed to get gpt-4o token encoder",
        "  fix: run fill",
        f"not ready: 2 of 2 files in {filled}: to run fill, repeat this command without 'verify'",
    ]
    document = json.loads(driver.run("verify", "--json", "--cache-dir", str(filled)).stdout)
    assert (document["schema"], document["ready"]) == (1, False)
    assert [file["gateway"] for file in document["files"]] == ["counts-wrong", "fails"]


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=["terminal", "NO_COLOR", "dumb"],
)
def test_verify_is_coloured_on_a_terminal_only(
    driver: Driver, filled: Path, environment: dict[str, str], coloured: bool
) -> None:
    (filled / CL100K.cache_key).write_bytes(b"")
    arguments = ["verify", "--cache-dir", str(filled)]
    said = on_terminal(driver, *arguments, environment=environment)
    assert b": WRONG: empty" in said.replace(RED, b"").replace(PLAIN, b"")
    if coloured:
        assert b": " + RED + b"WRONG: empty (0 bytes)" + PLAIN in said
        assert b": " + GREEN + b"right" + PLAIN in said
        assert RED + b"not ready" + PLAIN in said
    else:
        assert b"\x1b" not in said
    assert b"\x1b" not in driver.run(*arguments, environment=environment).stdout, "there is colour in a file"


def on_terminal(driver: Driver, *arguments: str, environment: dict[str, str], stderr: bool = False) -> bytes:
    """Return the output of the command on a terminal. The terminal of an engine always includes stderr."""
    if isinstance(driver, Container):
        driver = replace(driver, options=(*driver.options, "--tty"))
        return driver.run(*arguments, environment=environment).stdout
    ours, theirs = pty.openpty()
    streams = {"stdout": theirs} | ({"stderr": theirs} if stderr else {})
    driver.run(*arguments, environment=environment, **streams)
    os.close(theirs)
    said = os.read(ours, 65536)
    os.close(ours)
    return said


def test_verify_of_a_missing_directory_still_writes_its_json(driver: Driver, tmp_path: Path) -> None:
    done = driver.run("verify", "--json", "--cache-dir", f"{tmp_path}/none")
    assert done.code == 1
    assert json.loads(done.stdout)["error"] in done.stderr
    without = driver.run("verify", "--cache-dir", f"{tmp_path}/none")
    assert (without.code, without.stdout, without.stderr) == (1, b"", done.stderr)


def test_verify_mentions_a_gateway_only_if_one_would_start(driver: Driver, filled: Path) -> None:
    def last(*wanted: str) -> str:
        done = driver.run("verify", "--cache-dir", str(filled), *wanted)
        assert done.code == 0, done.said
        return done.stdout.decode().splitlines()[-1]

    assert [last(), last("--layout", "cache"), last("--encodings", "cl100k_base,o200k_base")] == [READY] * 3
    shutil.copy(filled / CL100K.cache_key, filled / CL100K.published_name)
    for wanted in (["--encodings", "cl100k_base"], ["--encodings", "cl100k_base", "--layout", "published"]):
        assert last(*wanted) == f"ready: all wanted files in {filled} are right"


def test_the_name_of_a_directory_cannot_move_the_cursor(driver: Driver, tmp_path: Path) -> None:
    directory = tmp_path / "a\x1b[2Jb"
    directory.mkdir()
    done = driver.run("verify", "--cache-dir", str(directory))
    assert done.code == 1
    assert rb"a\x1b[2Jb" in done.stdout
    assert all(line.isprintable() for line in done.stdout.decode().splitlines())


# export.


def test_an_export_unpacks_to_a_directory_that_is_ready(driver: Driver, filled: Path, tmp_path: Path) -> None:
    done = driver.run("export", "--cache-dir", str(filled))
    assert (done.code, done.stderr) == (0, "")
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "--extract", "--directory", str(out)], input=done.stdout, check=True)
    assert driver.run("verify", "--cache-dir", str(out)).code == 0


def test_an_export_of_a_directory_that_is_not_ready_writes_nothing(driver: Driver, volume: Path) -> None:
    done = driver.run("export", "--cache-dir", str(volume))
    assert (done.code, done.stdout) == (1, b"")
    assert "is not ready to be exported" in done.stderr


def test_an_export_to_a_terminal_is_refused(driver: Driver, filled: Path) -> None:
    said = on_terminal(driver, "export", "--cache-dir", str(filled), environment={}, stderr=True)
    assert b"send it to a file, as in 'export >cache.tar'" in said
    assert len(said) < 1000


# list.


def test_list_shows_each_file_once_for_each_encoding_and_fits_80_columns(driver: Driver) -> None:
    done = driver.run("list", environment={"TIKTOKEN_INIT_ENCODINGS": ""})
    assert (done.code, done.stderr) == (0, "")
    head, *lines = done.stdout.decode().splitlines()
    assert head.split() == ["ENCODING", "FILE", "CACHE", "KEY"]
    assert max(map(len, [head, *lines])) <= 80
    assert [line.split() for line in lines if not line.startswith(" ")] == [
        [known.name, pin.published_name, pin.cache_key] for known in ENCODINGS for pin in known.vocabularies
    ]
    starts = [head.index(word) for word in ("FILE", "CACHE KEY")]
    assert all(line[start - 1] == " " != line[start] for line in lines if line[0] != " " for start in starts)
    assert [line for line in lines if line.startswith(" ")] == [
        f"  models: {', '.join(known.models)}" for known in ENCODINGS
    ]


def test_list_shows_only_the_chosen_encodings(driver: Driver) -> None:
    lines = driver.run("list", "--encodings", "gpt2").stdout.decode().splitlines()[1:]
    assert [line.split()[:2] for line in lines] == [
        ["gpt2", "vocab.bpe"],
        ["gpt2", "encoder.json"],
        ["models:", "gpt2"],
    ]


def test_list_as_json_has_every_field(driver: Driver) -> None:
    done = driver.run("list", "--json", "--encodings", "all")
    assert json.loads(done.stdout) == {
        "schema": 1,
        "version": __version__,
        "encodings": [
            {
                "encoding": known.name,
                "models": list(known.models),
                "files": [
                    {
                        "name": pin.published_name,
                        "url": pin.url,
                        "cache_key": pin.cache_key,
                        "size": pin.size,
                        "sha256": pin.sha256,
                    }
                    for pin in known.vocabularies
                ],
            }
            for known in ENCODINGS
        ],
    }


def test_list_marks_private_vocabularies_and_hides_their_secrets(driver: Driver) -> None:
    given = ["--extra", f"https://a.example/x.bin?sig=secret1#sha256={DIGEST}"]
    row = driver.run("list", *given).stdout.decode().splitlines()[-1].split()
    assert row[:2] == ["(private)", "x.bin"]
    private = json.loads(driver.run("list", "--json", *given).stdout)["encodings"][-1]
    assert (private["encoding"], private["models"]) == ("(private)", [])
    assert (private["files"][0]["size"], private["files"][0]["sha256"]) == (None, DIGEST)
    assert "secret1" not in json.dumps(private)


@pytest.mark.parametrize("password", ["null", "true", "size", "1681126", "sha256", "encoding"])
def test_a_password_that_is_a_word_of_the_json_does_not_break_it(driver: Driver, password: str) -> None:
    entry = f"https://user:{password}@vocabularies.example/x#sha256={DIGEST}"
    given = ["list", "--json", "--extra", entry, "--encodings", "all"]
    [*known, private] = json.loads(driver.run(*given).stdout)["encodings"]
    assert [sorted(each) for each in known] == [["encoding", "files", "models"]] * len(ENCODINGS)
    assert private["files"][0]["url"] == "https://***@vocabularies.example/x"


@pytest.mark.parametrize("password", ["b", 'sec"ret', "sec\\ret", "secrét"])
def test_a_secret_is_hidden_in_json_in_any_spelling(driver: Driver, password: str) -> None:
    entry = f"https://user:{password}@vocabularies.example/x#sha256={DIGEST}"
    [private] = json.loads(driver.run("list", "--json", "--extra", entry).stdout)["encodings"][-1]["files"]
    assert private["url"] == "https://***@vocabularies.example/x"


@pytest.mark.parametrize("name", ["x\x1b[2J.bin", "x\u202e.bin"])
def test_a_name_that_could_move_the_cursor_is_refused_in_printable_characters(driver: Driver, name: str) -> None:
    refused = driver.run("list", "--extra", f"https://a.example/{name}#sha256={DIGEST}")
    assert (refused.code, refused.stdout) == (2, b"")
    assert name.encode("unicode_escape").decode() in refused.stderr
    assert refused.stderr.rstrip("\n").isprintable()


# The command line.


BROKEN = {
    "TIKTOKEN_CACHE_DIR": " /stray",
    "TIKTOKEN_CACHEDIR": "/misspelled",
    "TIKTOKEN_INIT_DEADLINE": "never",
    "TIKTOKEN_INIT_LOG": "loud",
    "HTTPS_PROXY": "http://[",
    "SSL_CERT_FILE": "/nowhere",
    "NO_COLOR": "1",
    "COLUMNS": "10",
    "TERM": "\x1b",
}


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], *([each, "--help"] for each in COMMANDS)])
def test_help_and_version_work_in_any_environment(driver: Driver, arguments: list[str]) -> None:
    done = driver.run(*arguments, environment=BROKEN)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == driver.run(*arguments).stdout
    assert b"tiktoken-cache-init" in done.stdout


def test_a_bad_setting_is_one_line_and_exit_code_2(driver: Driver, volume: Path) -> None:
    done = driver.run("--cache-dir", str(volume), "--deadlin", "5")
    assert (done.code, done.stdout) == (2, b"")
    assert done.stderr == "tiktoken-cache-init: error: there is no option --deadlin: did you mean --deadline?\n"


def test_a_bad_setting_is_a_json_line_if_the_log_is_json(driver: Driver) -> None:
    by_variable = driver.run(environment={"TIKTOKEN_INIT_LOG": " json", "TIKTOKEN_INIT_DEADLINE": "never"})
    assert json.loads(by_variable.stderr)["exit_code"] == 2
    by_option = driver.run("--log=json", "--deadline=never", "--cache-dir=/x")
    assert json.loads(by_option.stderr)["exit_code"] == 2


def test_the_last_of_several_values_counts(driver: Driver, volume: Path, offline: list[str]) -> None:
    done = driver.run("--cache-dir", str(volume), "--log=text", "--log=json", *offline)
    assert done.code == 0
    assert all(json.loads(line) for line in done.stderr.splitlines())


@pytest.mark.parametrize("argument", ["你好", "\x1b[31m"])
def test_an_unknown_command_is_reported_in_printable_characters(driver: Driver, argument: str) -> None:
    done = driver.run(argument)
    assert (done.code, done.stdout) == (2, b"")
    [line] = done.stderr.splitlines()
    assert line.startswith("tiktoken-cache-init: error: '")
    assert "is no command" in line
    assert line.isprintable()
