"""Makes what stands in for a shared library that a program of the image links to and never calls.

The loader insists on every library that a program names, and on every function. `image.modules` says which libraries are
never called, and why. A scanner that finds the real one here would report weaknesses of code that nothing can reach.
"""

from __future__ import annotations

import platform
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

_RETURN_0 = {"x86_64": "xor %eax, %eax\nret\n", "aarch64": "mov x0, xzr\nret\n"}
"""Machine -> the body of every function: a caller gets no object, and so reports an error."""
_FUNCTION = "T"
_PAGE = "4096"
"""Bytes. The linker's own choice for arm64 pads a library of nothing to 64 kB."""


def can_be_made() -> bool:
    """Whether the machine code for this machine is known. Elsewhere the real library has to do."""
    return platform.machine() in _RETURN_0


def stand_in(library: Path, programs: Iterable[Path]) -> bytes:
    """Return a shared library with all that the programs name of ``library``; each function only returns 0.

    Raises:
        ValueError: they name something that is no function, so that there must be something there.
        subprocess.CalledProcessError: Debian's binutils fail.

    """
    kinds = _symbols(library, "--defined-only")
    names = sorted({name for program in programs for name in _symbols(program, "--undefined-only")} & set(kinds))
    if data := [name for name in names if kinds[name] != _FUNCTION]:
        raise ValueError(f"{library.name} cannot be stood in for: {', '.join(data)} is no function")
    labels = "".join(f".globl {name}\n.type {name}, STT_FUNC\n{name}:\n" for name in names)
    with tempfile.TemporaryDirectory() as folder:
        compiled, linked = f"{folder}/stand-in.o", Path(folder, library.name)
        source = f".text\n{labels}{_RETURN_0[platform.machine()]}"
        subprocess.run(["/usr/bin/as", "--noexecstack", "-o", compiled], check=True, input=source, text=True)
        options = ["-shared", "-soname", library.name, "-z", "noseparate-code", "-z", f"max-page-size={_PAGE}"]
        options += ["--hash-style=gnu", "--build-id=none", "--strip-all"]
        subprocess.run(["/usr/bin/ld", *options, "-o", linked, compiled], check=True)
        return linked.read_bytes()


def _symbols(file: Path, which: str) -> dict[str, str]:
    """Return name -> kind (a letter, see nm(1)) of a file's dynamic symbols."""
    command = ["/usr/bin/nm", "--dynamic", "--without-symbol-versions", "--format=posix", which, str(file)]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = (line.split() for line in listed.splitlines())
    return {row[0]: row[1] for row in rows}
