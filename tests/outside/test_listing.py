"""What `list` says."""

from __future__ import annotations

import json

import pytest

from tests.outside.driving import Command
from tiktoken_cache_init.catalogue import ENCODINGS

DIGEST = "ab" * 32


def rows(command: Command, *arguments: str) -> list[list[str]]:
    ended = command("list", *arguments)
    assert (ended.code, ended.stderr) == (0, "")
    return [line.split() for line in ended.stdout.decode().splitlines()]


def test_the_catalogue_is_a_table_with_a_row_for_each_file(command: Command) -> None:
    [head, *body] = rows(command, "--encodings", "all")
    assert head == ["ENCODING", "FILE", "CACHE", "KEY", "BYTES", "SHA-256", "MODELS"]
    assert [row[:5] for row in body] == [
        [known.name, pin.published_name, pin.cache_key, str(pin.size), pin.sha256]
        for known in ENCODINGS
        for pin in known.vocabularies
    ]
    assert body[0][5:] == ENCODINGS[0].models.split()


def test_without_a_choice_the_whole_catalogue_is_shown(command: Command) -> None:
    assert {row[0] for row in rows(command)[1:]} == {known.name for known in ENCODINGS}


def test_a_choice_is_kept_to(command: Command) -> None:
    assert [row[0] for row in rows(command, "--encodings", "gpt2")[1:]] == ["gpt2", "gpt2"]


def test_the_columns_stand_below_each_other(command: Command) -> None:
    lines = command("list", "--encodings", "all").stdout.decode().splitlines()
    starts = [lines[0].index(word) for word in ("FILE", "CACHE KEY", "BYTES", "SHA-256", "MODELS")]
    for line in lines:
        assert all(line[start - 1] == " " and line[start] != " " for start in starts)
        assert line == line.rstrip()


def test_json_gives_every_fact(command: Command) -> None:
    ended = command("list", "--json", "--encodings", "all")
    assert json.loads(ended.stdout) == [
        {
            "encoding": known.name,
            "models": known.models.split(", "),
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
    ]


def test_private_vocabularies_are_shown_as_such(command: Command) -> None:
    given = ["--extra", f"https://a.example/x.bin?sig=secret1#sha256={DIGEST}"]
    row = rows(command, *given)[-1]
    assert (row[0], row[1], row[3], row[4]) == ("(private)", "x.bin", "?", DIGEST)
    private = json.loads(command("list", "--json", *given).stdout)[-1]
    assert (private["encoding"], private["models"]) == ("(private)", [])
    assert private["files"][0]["size"] is None
    assert "secret1" not in json.dumps(private)


@pytest.mark.parametrize("name", ["x\x1b[2J.bin", "x\u202e.bin"])
def test_a_name_that_could_move_a_terminal_s_cursor_is_refused_in_plain_characters(command: Command, name: str) -> None:
    refused = command("list", "--extra", f"https://a.example/{name}#sha256={DIGEST}")
    assert (refused.code, refused.stdout) == (2, b"")
    assert name.encode("unicode_escape").decode() in refused.stderr
    assert refused.stderr.rstrip("\n").isprintable()


@pytest.mark.parametrize("password", ["null", "true", "size", "1681126", "sha256", "encoding"])
def test_a_password_that_is_a_word_of_the_document_does_not_break_it(command: Command, password: str) -> None:
    whole = json.loads(command("list", "--json").stdout)
    ended = command("list", "--json", "--mirror", f"http://user:{password}@mirror.example/x")
    assert [sorted(known) for known in json.loads(ended.stdout)] == [sorted(known) for known in whole]


@pytest.mark.parametrize("password", ["b", 'sec"ret', "sec\\ret", "secrét"])
def test_a_secret_is_hidden_in_json_too_however_it_is_written(command: Command, password: str) -> None:
    entry = f"https://user:{password}@vocabularies.example/x#sha256={'0' * 64}"
    ended = command("list", "--json", "--extra", entry)
    [private] = json.loads(ended.stdout)[-1]["files"]
    assert private["url"] == "https://***@vocabularies.example/x"
