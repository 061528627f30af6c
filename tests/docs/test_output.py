"""docs/output.md and docs/verify.schema.json describe what is printed: nothing more and nothing less."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.consumers.running import ROOT
from tests.docs.clinic import tool
from tests.docs.markdown import Section, section, spans
from tests.docs.mistakes import CL100K, MISTAKES, Clinic, opened, rewritten
from tests.samples import command

SCHEMA = json.loads((ROOT / "docs" / "verify.schema.json").read_text())
VALIDATOR: Any = import_module("jsonschema").Draft202012Validator(SCHEMA)

PRIVATE = f"https://vocabularies.example/own.tiktoken#sha256={hashlib.sha256(b'').hexdigest()}"

Document = dict[str, Any]


def page(title: str) -> Section:
    return section("docs/output.md", title)


def fields_of(title: str) -> list[str]:
    """Return the fields that the table of a section describes."""
    return [field for row in page(title).tables[0][1:] for field in spans(row[0])]


def top_fields_of(title: str) -> set[str]:
    """Return the fields of the document itself, which stand in the text above the table."""
    return set(spans(page(title).prose.partition("\n|")[0]))


# --- verify --json -------------------------------------------------------------------------------------------------------


def a_pipe(clinic: Clinic) -> None:
    os.mkfifo(clinic.volume / CL100K.cache_key)


def one_byte_flipped(clinic: Clinic) -> None:
    rewritten(lambda content: bytes([content[0] ^ 1]) + content[1:])(clinic)


def something_behind_it(clinic: Clinic) -> None:
    rewritten(lambda content: content + b"\n")(clinic)


def a_link_within(clinic: Clinic) -> None:
    clinic.fill("real")
    for path in (clinic.volume / "real").iterdir():
        (clinic.volume / path.name).symlink_to(f"real/{path.name}")


STATES: dict[str, Callable[[Clinic], Path | None]] = {
    **{name: known.make for name, known in MISTAKES.items()},
    "right": Clinic.fill,
    "a pipe": a_pipe,
    "one byte flipped": one_byte_flipped,
    "something behind it": something_behind_it,
    "a link within": a_link_within,
}
FLAGS = {
    "published names wanted": ("--layout", "published"),
    "both names wanted": ("--layout", "both"),
    "every encoding": ("--encodings", "all"),
    "a private vocabulary": ("--extra", PRIVATE),
    "a reader": ("--as", "1:1"),
}


@pytest.fixture(scope="module")
def verified(vocabularies: Path, gateway_program: Path) -> dict[str, Document]:
    """What `verify --json` prints: a state of the volume, or flags -> the document."""
    found = {}
    for name, make in STATES.items():
        with opened(vocabularies, gateway_program) as clinic:
            folder = make(clinic) or clinic.volume
            found[name] = verify(folder)
    with opened(vocabularies, gateway_program) as clinic:
        clinic.fill()
        for name, flags in FLAGS.items():
            found[name] = verify(clinic.volume, *flags)
        clinic.volume.chmod(0o700)
        found["a closed folder"] = verify(clinic.volume)
        found["no folder"] = verify(clinic.place / "nothing")
        found["a file in the folder's place"] = verify(clinic.program)
        clinic.volume.chmod(0o755)
        for path in clinic.volume.iterdir():
            path.chmod(0o200)
        user = (65534, 65534) if os.geteuid() == 0 else None
        found["not ours to read"] = tool("verify", "--json", "--cache-dir", str(clinic.volume), user=user).document
    return found


def verify(folder: Path, *flags: str) -> Document:
    document: Document = json.loads(command("verify", "--json", "--cache-dir", str(folder), *flags).stdout)
    return document


def test_the_schema_is_one() -> None:
    VALIDATOR.check_schema(SCHEMA)


def test_what_verify_prints_fits_its_schema(verified: dict[str, Document]) -> None:
    problems = {
        name: [error.message for error in VALIDATOR.iter_errors(document)] for name, document in verified.items()
    }
    assert {name: found for name, found in problems.items() if found} == {}


def test_the_schema_names_every_field_and_no_other(verified: dict[str, Document]) -> None:
    documents = list(verified.values())
    assert {key for document in documents for key in document} == set(SCHEMA["properties"])
    files = [file for document in documents for file in document["files"]]
    assert {key for file in files for key in file} == set(SCHEMA["properties"]["files"]["items"]["properties"])


def test_every_field_is_always_there() -> None:
    files = SCHEMA["properties"]["files"]["items"]
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"])
    assert set(files["required"]) == set(files["properties"])


@pytest.mark.parametrize("field", SCHEMA["properties"]["files"]["items"]["required"])
def test_the_schema_misses_a_field_of_a_file(field: str, verified: dict[str, Document]) -> None:
    document = json.loads(json.dumps(verified["right"]))
    del document["files"][0][field]
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize("field", SCHEMA["required"])
def test_the_schema_misses_a_field(field: str, verified: dict[str, Document]) -> None:
    assert not VALIDATOR.is_valid({key: value for key, value in verified["right"].items() if key != field})


def test_every_state_in_the_schema_is_one_that_is_found(verified: dict[str, Document]) -> None:
    found = {file["state"] for document in verified.values() for file in document["files"]}
    assert found == set(SCHEMA["properties"]["files"]["items"]["properties"]["state"]["enum"])


def test_every_outcome_in_the_schema_is_one_that_is_found(verified: dict[str, Document]) -> None:
    found = {file["gateway"] for document in verified.values() for file in document["files"]}
    assert found == set(SCHEMA["properties"]["files"]["items"]["properties"]["gateway"]["enum"])


def test_the_page_describes_what_verify_prints(verified: dict[str, Document]) -> None:
    documents = verified.values()
    assert top_fields_of("`verify --json`") == {key for document in documents for key in document}
    own = set(fields_of("`verify --json`"))
    shared = set(fields_of("`fill --json`")[:5])
    assert shared == {"name", "vocabulary", "url", "sha256", "size"}
    assert own | shared == {key for document in documents for file in document["files"] for key in file}


def test_the_page_lists_the_states_and_outcomes_of_the_schema() -> None:
    rows = {field: row for row in page("`verify --json`").tables[0][1:] for field in spans(row[0])}
    properties = SCHEMA["properties"]["files"]["items"]["properties"]
    assert spans(rows["state"][1]) == properties["state"]["enum"]
    assert spans(rows["gateway"][1]) == properties["gateway"]["enum"]


@pytest.mark.parametrize("name", ["verify", "fill", "list"])
def test_a_bad_setting_gives_no_document(name: str) -> None:
    said = command(name, "--json", "--cache-dir", "/x", "--encodings", "none")
    assert (said.code, said.stdout) == (2, b"")


@pytest.mark.parametrize("name", ["no folder", "a file in the folder's place"])
def test_where_the_folder_cannot_be_looked_into_the_error_says_why(name: str, verified: dict[str, Document]) -> None:
    document = verified[name]
    assert document["error"]
    assert (document["ready"], document["files"]) == (False, [])


def test_a_volume_that_does_not_answer_in_time_gives_a_document_too(vocabularies: Path) -> None:
    # A busy machine may give us no turn to notice the deadline before the work is done.
    tries = (verify(vocabularies, "--deadline", "0.001") for _ in range(20))
    document = next(document for document in tries if document["error"])
    assert "does not answer" in document["error"]
    assert list(VALIDATOR.iter_errors(document)) == []


# --- fill --json and list --json -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def filled(vocabularies: Path, gateway_program: Path) -> list[Document]:
    """What `fill --json` prints, whatever becomes of a file."""
    source = ["--sources", "baked", "--baked-dir", str(vocabularies)]
    none = ["--sources", "baked", "--baked-dir", "/no-such-folder"]
    with opened(vocabularies, gateway_program) as clinic:

        def fill(*flags: str) -> Document:
            said = command("fill", "--json", "--cache-dir", str(clinic.volume), *flags)
            document: Document = json.loads(said.stdout)
            assert document["ready"] is (said.code == 0)
            return document

        documents = [fill(*none), fill(*source), fill(*source)]
        (clinic.volume / CL100K.cache_key).chmod(0o600)
        documents.append(fill(*source))
        (clinic.volume / CL100K.cache_key).write_bytes(b"")
        documents.append(fill(*source))
        documents.append(fill("--extra", PRIVATE, *source))
    return documents


def test_the_page_describes_what_fill_prints(filled: list[Document]) -> None:
    assert top_fields_of("`fill --json`") == {key for document in filled for key in document}
    files = [file for document in filled for file in document["files"]]
    assert set(fields_of("`fill --json`")) == {key for file in files for key in file}


def test_every_action_on_the_page_is_one_that_is_taken(filled: list[Document]) -> None:
    [actions] = [spans(row[1]) for row in page("`fill --json`").tables[0] if row[0] == "`action`"]
    assert set(actions) == {file["action"] for document in filled for file in document["files"]}


def test_the_page_describes_what_was_tried_in_vain(filled: list[Document]) -> None:
    [described] = [spans(row[1]) for row in page("`fill --json`").tables[0] if row[0] == "`tried`"]
    tried = [each for document in filled for file in document["files"] for each in file["tried"]]
    assert set(described) == {key for each in tried for key in each}


def test_the_page_describes_what_list_prints() -> None:
    said = command("list", "--json", "--encodings", "all", "--extra", PRIVATE)
    rows = json.loads(said.stdout)
    keys = {key for row in rows for key in row} | {key for row in rows for file in row["files"] for key in file}
    assert set(spans(page("`list --json`").prose)) == keys


# --- the log -------------------------------------------------------------------------------------------------------------

LOG = page("The log").tables[0][1:]


def described_for(event: str) -> set[str]:
    """Return the fields that the page has for an event."""
    fields = {field for row in LOG if row[1] == "all" or event in spans(row[1]) for field in spans(row[0])}
    return fields | (set(fields_of("`fill --json`")) if event == "file" else set())


@contextlib.contextmanager
def slow_mirror(content: bytes) -> Iterator[str]:
    """Serve one file, so slowly that the log must say how far it is."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:100_000])
            time.sleep(3)
            self.wfile.write(content[100_000:])

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def lines(vocabularies: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    """The lines of logs in JSON, in which each event comes up."""
    folder = str(tmp_path_factory.mktemp("volume"))
    baked = {"TIKTOKEN_INIT_SOURCES": "baked", "TIKTOKEN_INIT_BAKED_DIR": str(vocabularies)}
    fetched = {"TIKTOKEN_INIT_SOURCES": "fetch", "TIKTOKEN_INIT_ORIGIN": "off", "NO_PROXY": "*"}
    common = {"TIKTOKEN_INIT_LOG": "json", "TIKTOKEN_CACHE_DIR": folder}
    with slow_mirror((vocabularies / CL100K.cache_key).read_bytes()) as mirror:
        fetched |= {"TIKTOKEN_INIT_MIRRORS": mirror, "TIKTOKEN_INIT_ENCODINGS": "cl100k_base"}
        logs = [command("fill", environment=common | fetched).stderr]
    logs.append(command("fill", environment=common | baked | {"TIKTOKEN_INIT_BAKED_DIR": "/no-such-folder"}).stderr)
    logs.append(command("fill", environment=common | baked).stderr)
    logs.append(command("fill", environment=common | {"TIKTOKEN_INIT_ENCODING": "x"}).stderr)
    return [json.loads(line) for log in logs for line in log.splitlines()]


def test_every_line_has_the_fields_of_its_event_and_no_other(lines: list[Document]) -> None:
    wrong = [line for line in lines if not set(line) <= described_for(line["event"])]
    assert wrong == []


def test_every_field_of_an_event_comes_up(lines: list[Document]) -> None:
    seen: dict[str, set[str]] = {}
    for line in lines:
        seen.setdefault(line["event"], set()).update(line)
    assert seen == {event: described_for(event) for event in seen}


@pytest.mark.parametrize("field", ["event", "level"])
def test_every_word_on_the_page_comes_up(field: str, lines: list[Document]) -> None:
    [words] = [spans(row[2]) for row in LOG if row[0] == f"`{field}`"]
    assert {line[field] for line in lines} == set(words)


def test_the_time_is_utc(lines: list[Document]) -> None:
    assert [line for line in lines if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line["time"])] == []
