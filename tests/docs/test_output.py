"""docs/output.md and the JSON schemas describe exactly the fields of the output."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any

import pytest

from tests.containers.engine import ROOT
from tests.docs.markdown import Section, section, spans
from tests.docs.running import Place, quotes, tool
from tests.vocabularies import CL100K
from tiktoken_cache_init.fill import Action
from tiktoken_cache_init.gateway import Consequence
from tiktoken_cache_init.output.documents import SCHEMA
from tiktoken_cache_init.volume.identify import Kind
from tiktoken_cache_init.volume.inspect import State

Document = dict[str, Any]

COMMANDS = ("fill", "verify", "list")
PRIVATE = f"https://vocabularies.example/own.tiktoken#sha256={hashlib.sha256(b'').hexdigest()}"
ABSENT = f"https://vocabularies.example/absent.tiktoken#sha256={'0' * 64}"
STATES = [state.value for state in State if state is not State.WRONG] + [kind.value for kind in Kind]


def schema(command: str) -> Document:
    """Return the schema of a command's document."""
    found: Document = json.loads((ROOT / "docs" / f"{command}.schema.json").read_text(encoding="utf-8"))
    return found


def page(title: str) -> Section:
    return section("docs/output.md", title)


def rows(title: str) -> dict[str, list[str]]:
    """Return field -> the code in its description."""
    return {field: spans(row[1]) for row in page(title).tables[0][1:] for field in spans(row[0])}


@pytest.fixture(scope="module")
def documents(shared_place: Place) -> dict[str, list[Document]]:
    """Return documents of each command. Each field has a value in at least one of them."""
    found: dict[str, list[Document]] = {command: [] for command in COMMANDS}

    def run(command: str, *arguments: str, **variables: str) -> None:
        said = shared_place.tool(command, "--json", *arguments, variables=variables)
        found[command].append(said.document)

    run("verify")
    run("fill", "--extra", ABSENT)
    run("fill", TIKTOKEN_INIT_ENCODINGS="cl100k_base")
    run("fill", "--extra", PRIVATE)
    (shared_place.volume / CL100K.cache_key).chmod(0o600)
    run("verify")
    run("fill")
    (shared_place.volume / CL100K.cache_key).write_bytes(b"")
    run("verify", "--layout", "both")
    run("fill")
    (shared_place.volume / CL100K.cache_key).unlink()
    (shared_place.volume / CL100K.cache_key).mkdir()
    run("fill")
    run("verify", "--encodings", "all", "--extra", PRIVATE)
    shared_place.volume.chmod(0o700)
    run("verify")
    run("verify", TIKTOKEN_CACHE_DIR=str(shared_place.directory / "nothing"))
    run("list", "--encodings", "all", "--extra", PRIVATE)
    return found


def test_each_document_fits_its_schema(documents: dict[str, list[Document]]) -> None:
    validator: Any = import_module("jsonschema").Draft202012Validator
    for command in COMMANDS:
        validator.check_schema(schema(command))
        for document in documents[command]:
            assert [error.message for error in validator(schema(command)).iter_errors(document)] == []


def differences(described: Document, values: list[Any], place: str = "") -> list[str]:
    """Return the fields that only the schema or only the documents have, and those that may be absent."""
    if described.get("type") == "array":
        return differences(described["items"], [item for value in values for item in value], f"{place}[]")
    if "properties" not in described:
        return []
    fields = set(described["properties"])
    found = [f"{place}.{field}" for field in fields.symmetric_difference(key for value in values for key in value)]
    found += [f"{place}.{field} may be absent" for field in fields - set(described["required"])]
    for field in fields:
        inner = [value[field] for value in values if field in value]
        found += differences(described["properties"][field], inner, f"{place}.{field}")
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_the_schema_has_every_field_and_no_other(command: str, documents: dict[str, list[Document]]) -> None:
    assert differences(schema(command), documents[command]) == []


def test_the_words_of_the_schemas_are_those_of_the_program() -> None:
    fill, verify = (schema(command)["properties"]["files"]["items"]["properties"] for command in ("fill", "verify"))
    assert fill["found"]["enum"] == verify["state"]["enum"] == STATES
    assert fill["action"]["enum"] == [action.value for action in Action]
    assert verify["gateway"]["enum"] == [consequence.value for consequence in Consequence]
    assert {schema(command)["properties"]["schema"]["const"] for command in COMMANDS} == {SCHEMA}


def test_the_page_has_the_fields_and_words_of_fill() -> None:
    files = schema("fill")["properties"]["files"]["items"]["properties"]
    described = rows("`fill --json`")
    assert set(described) == set(files)
    assert described["action"] == files["action"]["enum"]
    assert described["tried"] == list(files["tried"]["items"]["properties"])
    assert spans(page("`fill --json`").prose.partition("\n|")[0]) == list(schema("fill")["properties"])


def test_the_page_has_the_fields_and_words_of_verify() -> None:
    files = schema("verify")["properties"]["files"]["items"]["properties"]
    described = rows("`verify --json`")
    text = spans(page("`verify --json`").prose.partition("\n|")[0])
    shared = ["name", "vocabulary", "url", "sha256", "size"]
    assert [*shared, *described] == list(files)
    assert described["state"] == files["state"]["enum"]
    assert set(described["gateway"]) == set(files["gateway"]["enum"])
    assert set(text) == {*schema("verify")["properties"], *shared}


def test_the_page_has_the_fields_of_list() -> None:
    document = schema("list")["properties"]
    encodings = document["encodings"]["items"]["properties"]
    fields = [*document, *encodings, *encodings["files"]["items"]["properties"]]
    assert spans(page("`list --json`").prose) == fields


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_setting_gives_no_document(command: str) -> None:
    said = tool(command, "--json", "--encodings", "none")
    assert (said.code, said.out) == (2, "")


# The log


LOG = page("The log").tables[0][1:]


def described_for(event: str) -> set[str]:
    """Return the fields that the page gives to an event."""
    fields = {field for row in LOG if row[1] == "all" or event in spans(row[1]) for field in spans(row[0])}
    return (fields - {"fill --json"}) | set(rows("`fill --json`")) if event == "file" else fields


@contextmanager
def slow_mirror(content: bytes) -> Iterator[str]:
    """Serve one file so slowly that the log shows the progress."""

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


@pytest.fixture
def lines(place: Place) -> list[Document]:
    """Return the lines of JSON logs that contain each event."""

    def fill(**variables: str) -> str:
        return place.tool("fill", variables={"TIKTOKEN_INIT_LOG": "json", **variables}).err

    logs = [fill(TIKTOKEN_INIT_EXTRA=ABSENT)]
    (place.volume / CL100K.cache_key).write_bytes(b"")
    logs += [
        fill(TIKTOKEN_INIT_ENCODINGS="cl100k_base"),
        fill(TIKTOKEN_INIT_MIRROR="/x"),
        fill(),
        progress(place),
    ]
    return [json.loads(line) for log in logs for line in log.splitlines()]


def progress(place: Place) -> str:
    """Return the log of a slow download."""
    with slow_mirror((place.vocabularies / CL100K.cache_key).read_bytes()) as mirror:
        variables = {
            "TIKTOKEN_CACHE_DIR": str(place.directory / "fetched"),
            "TIKTOKEN_INIT_ENCODINGS": "cl100k_base",
            "TIKTOKEN_INIT_LOG": "json",
            "TIKTOKEN_INIT_MIRRORS": mirror,
            "TIKTOKEN_INIT_ORIGIN": "off",
            "TIKTOKEN_INIT_SOURCES": "fetch",
        }
        return tool("fill", variables=variables, online=True).err


def test_each_event_has_its_fields_and_no_other(lines: list[Document]) -> None:
    seen: dict[str, set[str]] = {}
    for line in lines:
        seen.setdefault(line["event"], set()).update(line)
    assert seen == {event: described_for(event) for event in seen}
    for field in ("event", "level"):
        [words] = [spans(row[2]) for row in LOG if row[0] == f"`{field}`"]
        assert {line[field] for line in lines} == set(words)
    assert [line for line in lines if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line["time"])] == []


def test_the_log_on_the_page_is_that_of_a_real_run(place: Place) -> None:
    place.put()
    (place.volume / CL100K.cache_key).write_bytes(b"")
    printed = place.tool("fill").err.splitlines()
    [shown] = [fence.lines for fence in page("The log").fences if fence.language == "text"]
    changing = re.compile(r"/\S+ as \d+:\d+|from baked, fetch|from baked|in /\S+|\([\d.]+ s\)")
    assert [changing.sub("...", line) for line in shown] == [changing.sub("...", line) for line in printed]
    assert quotes("ready: 2 files in ... (... s)", shown[-1])
