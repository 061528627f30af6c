"""Each module that the program and the wheels name, also in a function, can be imported in the image."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from image.contents import LEFT_OUT, LEFT_OUT_OFFLINE
from tests.containers.conftest import Built
from tests.containers.engine import LOCKED_DOWN, docker, platform
from tests.containers.test_image import WHEELS
from tests.machine import ROOT
from tiktoken_cache_init.place import IMAGE_DIR

IMPORTING = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
failed = {}
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed[name] = repr(error)
json.dump(failed, sys.stdout)
"""
"""Program that imports modules, and prints JSON: module -> why it cannot be imported."""

UNUSED = {
    "concurrent.interpreters": "for Python 3.14",
    "pathlib.types": "for Python 3.14",
    "unittest": "for the tests of certifi",
}
"""Module that a wheel names and that is not in the image -> why the program does not need it."""


def imports(paths: Iterable[Path]) -> Iterator[str]:
    """Yield the modules that files import by their full names, including imports in functions."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module


def named(target: str) -> set[str]:
    """Return the modules of the program in an image, and those that the program and the wheels import."""
    left_out = LEFT_OUT if target == "default" else LEFT_OUT | LEFT_OUT_OFFLINE
    ours = [path.relative_to(ROOT) for path in (ROOT / "tiktoken_cache_init").rglob("*.py")]
    ours = [path for path in ours if not any(fnmatch(f"/{path}", row) for row in left_out)]
    names = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in ours}
    names.update(imports(ROOT / path for path in ours))
    if target == "default":
        files = [file for wheel in WHEELS for file in importlib.metadata.files(wheel) or () if file.suffix == ".py"]
        wanted = imports(Path(str(file.locate())) for file in files)
        names |= {name for name in wanted if name.partition(".")[0] in sys.stdlib_module_names}
        assert {"httpx", "difflib", "netrc", "ssl"} <= names
    return names


@pytest.mark.parametrize("target", ["default", "offline"])
def test_only_unused_modules_cannot_be_imported(built: Built, target: str) -> None:
    options = ["--rm", *platform(), *LOCKED_DOWN, "--entrypoint", "/usr/bin/python3.13"]
    program = ["-I", "-X", "utf8", "-c", IMPORTING, IMAGE_DIR, *sorted(named(target))]
    # An emulated processor needs minutes.
    failed = json.loads(docker("run", *options, built(target), *program, timeout=1800).stdout)
    assert failed.keys() == (UNUSED.keys() if target == "default" else set()), failed
