"""The JSON schemas describe exactly the fields of the documents and of the log."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.machine import ROOT
from tests.samples import command
from tests.vocabularies import CL100K
from tiktoken_cache_init.fill import Action
from tiktoken_cache_init.gateway import Consequence
from tiktoken_cache_init.output.documents import SCHEMA
from tiktoken_cache_init.volume.identify import Kind
from tiktoken_cache_init.volume.inspect import State

COMMANDS = ("fill", "verify", "list")
PRIVATE = f"https://vocabularies.example/own.tiktoken#sha256={hashlib.sha256(b'').hexdigest()}"
STATES = [state.value for state in State if state is not State.WRONG] + [kind.value for kind in Kind]


def schema(name: str) -> Any:
    return json.loads((ROOT / "docs" / f"{name}.schema.json").read_text(encoding="utf-8"))


def problems(described: Any, value: Any) -> list[str]:
    Draft202012Validator.check_schema(described)
    return [error.message for error in Draft202012Validator(described).iter_errors(value)]


def closed(described: Any) -> Any:
    """Return a schema that also refuses any field that it does not describe, and the absence of any field."""
    if isinstance(described, list):
        return [closed(each) for each in described]
    if not isinstance(described, dict):
        return described
    exact = {key: closed(each) for key, each in described.items()}
    if "properties" in described:
        exact |= {"additionalProperties": False, "required": list(described["properties"])}
    return exact


@pytest.fixture(scope="module")
def results(vocabularies: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Return the documents of each command, and the lines of the logs."""
    found: dict[str, list[Any]] = {name: [] for name in (*COMMANDS, "log")}
    volume = tmp_path_factory.mktemp("volume")
    volume.chmod(0o755)

    def run(name: str, *arguments: str, mirror: Path = vocabularies, directory: Path = volume) -> None:
        given = {
            "TIKTOKEN_CACHE_DIR": str(directory),
            "TIKTOKEN_INIT_ENCODINGS": "cl100k_base,o200k_base",
            "TIKTOKEN_INIT_LOG": "json",
            "TIKTOKEN_INIT_MIRRORS": str(mirror),
            "TIKTOKEN_INIT_ORIGIN": "off",
            "TIKTOKEN_INIT_SOURCES": "fetch",
            "TIKTOKEN_INIT_XYZ": "misspelled",
        }
        done = command(name, "--json", *arguments, environment=given)
        found[name].append(json.loads(done.stdout))
        found["log"] += [json.loads(line) for line in done.stderr.splitlines()]

    run("verify")
    run("fill", mirror=volume / "nowhere")
    run("fill", "--extra", PRIVATE)
    (volume / CL100K.cache_key).write_bytes(b"")
    run("verify", "--layout", "both")
    run("fill")
    run("verify", "--encodings", "all", "--extra", PRIVATE)
    run("verify", directory=volume / "nothing")
    run("list", "--encodings", "all", "--extra", PRIVATE)
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_a_document_has_the_fields_of_its_schema_and_no_other(name: str, results: dict[str, list[Any]]) -> None:
    assert [problem for document in results[name] for problem in problems(closed(schema(name)), document)] == []


def test_each_line_of_the_log_fits_its_schema(results: dict[str, list[Any]]) -> None:
    assert [problem for line in results["log"] for problem in problems(schema("log"), line)] == []
    events = {line["event"] for line in results["log"]}
    assert events >= {"start", "file", "tried", "warning", "restart", "ready", "error"}


def test_the_words_of_the_schemas_are_those_of_the_program() -> None:
    fill, verify = (schema(command)["properties"]["files"]["items"]["properties"] for command in ("fill", "verify"))
    assert fill["found"]["enum"] == STATES, "correct docs/fill.schema.json"
    assert verify["state"]["enum"] == STATES, "correct docs/verify.schema.json"
    assert fill["action"]["enum"] == [action.value for action in Action]
    assert verify["gateway"]["enum"] == [consequence.value for consequence in Consequence]
    assert {schema(command)["properties"]["schema"]["const"] for command in COMMANDS} == {SCHEMA}
