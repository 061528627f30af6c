from __future__ import annotations

import json
from pathlib import Path

from tests.samples import CONTENT, OTHER, TINY, published, settings, vocabulary
from tiktoken_cache_init import __version__
from tiktoken_cache_init.catalogue import encoding
from tiktoken_cache_init.errors import NotReadyError
from tiktoken_cache_init.fill import fill
from tiktoken_cache_init.output.documents import SCHEMA, fill_document, list_document, verify_document
from tiktoken_cache_init.verify import Verified, verify

CL100K = published("cl100k_base.tiktoken")


def test_the_document_of_a_fill_has_what_was_found_and_what_was_done(volume: Path, baked: Path) -> None:
    (volume / TINY.cache_key).write_bytes(b"")
    (baked / OTHER.cache_key).unlink()
    chosen = settings(volume, TINY, OTHER)
    filled = fill(chosen, lambda _: None)
    document = fill_document(chosen, filled)
    assert json.loads(json.dumps(document)) == document
    files = document.pop("files")
    assert document.pop("error").startswith("could not obtain other.tiktoken: ")
    assert document == {
        "schema": SCHEMA,
        "version": __version__,
        "command": "fill",
        "cache_dir": str(volume),
        "ready": False,
        "warnings": [],
    }
    assert files[0] == {
        "name": TINY.cache_key,
        "vocabulary": "tiny.tiktoken",
        "url": TINY.url,
        "sha256": TINY.sha256,
        "size": 21,
        "found": "empty",
        "found_detail": "empty (0 bytes)",
        "action": "replaced",
        "ready": True,
        "source": "baked",
        "tried": [],
    }
    assert (files[1]["found"], files[1]["action"], files[1]["ready"]) == ("missing", "failed", False)
    assert files[1]["tried"] == [{"source": "baked", "reason": "it is not baked in"}]


def test_the_document_of_verify_has_the_state_the_gateway_and_the_fix(volume: Path) -> None:
    volume.chmod(0o700)
    (volume / CL100K.cache_key).write_bytes(CONTENT)
    (volume / CL100K.cache_key).chmod(0o600)
    chosen = settings(volume, CL100K, OTHER, command="verify")
    document = verify_document(chosen, verify(chosen))
    assert (document["ready"], document["error"]) == (False, None)
    assert document["problems"] == [problem.text for problem in verify(chosen).problems]
    right, missing = ({name: file[name] for name in list(file)[5:]} for file in document["files"])
    assert right == {
        "state": "right",
        "detail": "right, but not readable by every user (mode 0600)",
        "ready": False,
        "gateway": "fails",
        "gateway_detail": "does not start if its user cannot read the file: not readable by every user (mode 0600)",
        "fix": "run fill, or chmod 0644 the file",
    }
    assert (missing["state"], missing["gateway"], missing["fix"]) == ("missing", "not-read", "run fill")
    failed = verify_document(chosen, Verified(()), NotReadyError("cause: remedy"))
    assert failed == document | {"error": "cause: remedy", "problems": [], "files": []}


def test_the_list_has_every_field_and_shows_no_secret() -> None:
    private = vocabulary(url="https://u:secret@a.example/x.bin?sig=secret", size=None)
    document = list_document(settings(encodings=(encoding("gpt2"),), extra=(private,)))
    assert (document["schema"], document["version"]) == (SCHEMA, __version__)
    known, last = document["encodings"]
    assert (known["encoding"], known["models"]) == ("gpt2", ["gpt2"])
    assert [file["name"] for file in known["files"]] == ["vocab.bpe", "encoder.json"]
    file = {
        "name": "x.bin",
        "url": "https://***@a.example/x.bin?***",
        "cache_key": private.cache_key,
        "size": None,
        "sha256": private.sha256,
    }
    assert last == {"encoding": "(private)", "models": [], "files": [file]}
