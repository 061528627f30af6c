"""The libraries that nothing in the image calls, and what is there in their place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from image import stand_ins
from image.modules import NEVER_CALLED
from tests.containers.engine import LOCKED_DOWN, docker, platform

TOOLS = ("as", "cc", "ld", "nm")
MADE_OF_NAMES = 16_000
"""Bytes: more than a library takes that holds nothing else. The real ones have hundreds of thousands."""

FIND = """
import os
for folder, _, names in os.walk("/usr/lib"):
    for name in names:
        print(name, os.stat(f"{folder}/{name}").st_size)
"""


@pytest.mark.parametrize("library", sorted(NEVER_CALLED))
def test_only_the_name_of_what_is_never_called_is_in_the_image(image: str, library: str) -> None:
    options = ["--rm", *platform(), *LOCKED_DOWN, "--entrypoint", "/usr/bin/python3.13"]
    listed = docker("run", *options, image, "-I", "-S", "-c", FIND).stdout.splitlines()
    sizes = dict(line.split() for line in listed)
    assert int(sizes[library]) < MADE_OF_NAMES


def compiled(path: Path, source: str, *links: Path) -> Path:
    """Compile C source into a shared library."""
    command = ["cc", "-shared", "-fPIC", "-nostdlib", "-o", str(path), "-x", "c", "-", "-x", "none", *map(str, links)]
    subprocess.run(command, check=True, input=source, text=True)
    return path


needs_tools = pytest.mark.skipif(
    not all(os.access(f"/usr/bin/{tool}", os.X_OK) for tool in TOOLS), reason="needs a C compiler and binutils"
)


@needs_tools
def test_every_function_that_is_named_returns_0(tmp_path: Path) -> None:
    real = compiled(tmp_path / "libreal.so", "int one(void) { return 1; } int other(void) { return 2; }")
    caller = compiled(tmp_path / "libcaller.so", "int one(void); int ask(void) { return one(); }", real)
    ask = [sys.executable, "-c", "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).ask())", str(caller)]
    assert subprocess.run(ask, check=True, capture_output=True).stdout == b"1\n"
    made = stand_ins.stand_in(real, [caller])
    real.write_bytes(made)
    assert subprocess.run(ask, check=True, capture_output=True).stdout == b"0\n"
    assert b"other" not in made, "nobody names it"


@needs_tools
def test_data_cannot_be_stood_in_for(tmp_path: Path) -> None:
    real = compiled(tmp_path / "libreal.so", "int number = 1;")
    caller = compiled(tmp_path / "libcaller.so", "extern int number; int ask(void) { return number; }", real)
    with pytest.raises(ValueError, match="number is no function"):
        stand_ins.stand_in(real, [caller])
