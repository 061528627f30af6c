"""Each module that the program can reach is in the image and can be imported there."""

from __future__ import annotations

import ast
import json
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from image.contents import LEFT_OUT, LEFT_OUT_OFFLINE
from tests.containers.engine import LOCKED_DOWN, ROOT, docker, platform

OWN = "tiktoken_cache_init.__main__"
"""Module that the entry point imports, after it has made the package importable."""
PROGRAM = Path(__file__).with_name("importing.py")

UNUSED = {
    "anyio._backends._trio": "for trio",
    "anyio.pytest_plugin": "for pytest",
    "asyncio.windows_*": "for Windows",
    "certifi.tests.*": "tests",
    "concurrent.interpreters": "for Python 3.14",
    "concurrent.futures.process": "needs multiprocessing; no process is started",
    "encodings.*": "needs tables that Debian keeps with the rest of the standard library; all text is UTF-8",
    "http.server": "needs html; nothing is served",
    "httpcore._async.http2": "needs h2; the client speaks HTTP/1.1",
    "httpcore._backends.trio": "for trio",
    "httpcore._sync.http2": "needs h2",
    "httpx._main": "the command line of httpx",
    "logging.config": "needs socketserver; nothing configures logging from a file",
    "pathlib.types": "for Python 3.14",
    "unittest": "for the tests of certifi",
}
"""Pattern of modules that cannot be imported in the image -> why the program does not need them."""

UNUSED_OFFLINE = {
    "encodings.*": UNUSED["encodings.*"],
    "logging.*": "needs queue and socketserver; nothing logs to a queue",
    "ssl": "needs _ssl",
    "urllib.r*": "needs http: urllib.request and urllib.robotparser",
}
"""The same for the offline image."""


def imports(path: Path) -> Iterator[str]:
    """Yield the modules outside the package that a file of this project imports, including imports in functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level and node.module != OWN:
            yield node.module


def named(left_out: dict[str, str]) -> set[str]:
    """Return the modules that the program imports. Files that the image leaves out do not count."""
    package = sorted((ROOT / "tiktoken_cache_init").rglob("*.py"))
    taken = [path for path in package if not any(fnmatch(f"/{path.relative_to(ROOT)}", row) for row in left_out)]
    return {name for path in (ROOT / "entrypoint.py", *taken) for name in imports(path)}


WHEELS_IMPORT = """
import ast, pathlib, sys
for path in pathlib.Path("/wheels").rglob("*.py"):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        print(*(name for name in names if name.partition(".")[0] in sys.stdlib_module_names), sep="\\n")
"""
"""Program that prints the standard library modules that the wheels import, including imports in functions."""


def named_by_wheels(stage: str) -> set[str]:
    """Return the modules of the standard library that the wheels import."""
    done = docker("run", "--rm", *platform(), "--network", "none", stage, "python3.13", "-c", WHEELS_IMPORT)
    return set(done.stdout.split())


def failures(image: str, names: set[str]) -> dict[str, str]:
    """Return the modules that cannot be imported in the image, and why."""
    options = ["--rm", "--interactive", *platform(), *LOCKED_DOWN, "--entrypoint", "/usr/bin/python3.13"]
    command = ["docker", "run", *options, image, "-I", "-X", "utf8", "-", *sorted(names)]
    # An emulated processor needs about ten minutes.
    done = subprocess.run(command, input=PROGRAM.read_bytes(), stdout=subprocess.PIPE, check=True, timeout=1800)
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module", params=["default", "offline"])
def found(
    request: pytest.FixtureRequest, image: str, offline_image: str, stage: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the modules that fail in each target, and the table of the modules that may fail."""
    if request.param == "default":
        return failures(image, named(LEFT_OUT) | named_by_wheels(stage)), UNUSED
    return failures(offline_image, named(LEFT_OUT | LEFT_OUT_OFFLINE)), UNUSED_OFFLINE


def test_only_unused_modules_cannot_be_imported(found: tuple[dict[str, str], dict[str, str]]) -> None:
    failed, unused = found
    unexpected = {name: why for name, why in failed.items() if not any(fnmatch(name, row) for row in unused)}
    assert unexpected == {}


def test_every_row_of_unused_modules_matches_a_module(found: tuple[dict[str, str], dict[str, str]]) -> None:
    failed, unused = found
    assert [row for row in unused if not any(fnmatch(name, row) for name in failed)] == []


def test_imports_inside_functions_are_found(stage: str) -> None:
    assert {"httpx", "difflib"} <= named(LEFT_OUT)
    assert {"netrc", "ssl"} <= named_by_wheels(stage)
