"""Lays out the image's file system in a folder: an interpreter, what it links to, byte-code, and who it all belongs to.

Run by the interpreter that goes into the image, in a build stage where Debian's packages are installed:
``python3.13 -m image.assemble PROFILE ROOT --wheels DIR``. What it writes depends on its input alone, not on the clock,
the order of a directory or the machine.
"""

from __future__ import annotations

import _imp
import argparse
import ast
import marshal
import os
import shutil
import subprocess
import sys
from importlib import import_module, util
from pathlib import Path
from types import CodeType

from . import inventory, modules
from .closure import Closure, Module, close_over
from .seal import seal
from .stand_ins import can_be_made, stand_in

STDLIB = Path(f"/usr/lib/python{sys.version_info.major}.{sys.version_info.minor}")
INTERPRETER = Path(f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
ENTRY = Path("/usr/lib/tiktoken-cache-init/entrypoint.pyc")

_LINKED_FROM = 4096

BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")

# What the C library would do without the file is to ask the name server before /etc/hosts, even for localhost.
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"
USERS = "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n"
GROUPS = "root:x:0:\nnogroup:x:65534:\n"


class Root:
    """The folder that becomes the image's file system."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken: set[Path] = set()
        """Files of the build machine that went in."""

    def __call__(self, path: Path) -> Path:
        """Return where a path of the image is now, with its folder made."""
        place = self.folder / path.relative_to("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def write(self, path: Path, content: str | bytes) -> None:
        """Write a file that everybody may read."""
        place = self(path)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(0o644)

    def copy(self, path: Path) -> None:
        """Take a file along under its own name; a link is followed, its folder's links are kept."""
        self.taken.add(path)
        real = Path(os.path.realpath(path.parent)) / path.name
        if self(real).exists():
            return
        shutil.copyfile(real, self(real))
        self(real).chmod(0o755 if os.access(real, os.X_OK) else 0o644)
        # Debian's /lib and /lib64 are links, and the loader is looked for through them.
        top = Path("/", path.parts[1])
        if top.is_symlink() and not self(top).is_symlink():
            self(top).symlink_to(top.readlink())


def byte_code(source: bytes, shown: str, *, lines: bool = True) -> bytes:
    """Compile a module as ``-OO`` would, into a file that is loaded without a look at any source.

    Without ``lines``, a traceback names the first line of the function that it passes through, not the very line.
    """
    tree = _WithoutAnnotations().visit(ast.parse(source, shown))
    # PYTHONNODEBUGRANGES keeps columns out: no source comes along in which a traceback could underline them.
    code = compile(tree, shown, "exec", dont_inherit=True, optimize=2)
    # PEP 552: flags 1 say that the hash after them is never checked.
    flags = (1).to_bytes(4, "little")
    return util.MAGIC_NUMBER + flags + bytes(8) + marshal.dumps(code if lines else first_lines(code))


class _WithoutAnnotations(ast.NodeTransformer):
    """Takes the types of parameters and results away, which are made at every start and which nothing asks for.

    Those of classes stay: they are the fields of dataclasses and named tuples.
    """

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]  # noqa: N815  the same for the other kind

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node


def first_lines(code: CodeType) -> CodeType:
    """Return the code with every instruction on the first line of its function.

    The table of lines is a sixth of compressed byte-code. Its form is in CPython's ``Objects/locations.md``: an entry covers
    up to eight code units, and one of kind 13 has no columns and says by how much the line changes.
    """
    eights, rest = divmod(len(code.co_code) // 2, 8)
    table = bytes([0xEF, 0]) * eights + (bytes([0xE7 + rest, 0]) if rest else b"")
    constants = tuple(first_lines(each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_linetable=table, co_consts=constants)


def reach(profile: str, source: Path, wheels: Path) -> Closure:
    """Return the modules that the profile's image needs.

    Raises:
        SystemExit: an import leads nowhere, or a row of the tables is out of date.

    """
    networked = profile == "default"
    start = (modules.ENTRY, *modules.FROM_C, *(modules.FROM_C_NETWORK if networked else ()))
    left_out = modules.ALWAYS | (modules.WITH_NETWORK if networked else modules.WITHOUT_NETWORK)
    folders = [source, *([modules.REPLACEMENTS] if networked else []), STDLIB, wheels]
    replaced = modules.REPLACED if networked else ()
    closure = close_over(start, [str(folder) for folder in folders], left_out, replaced)
    problems = [f"{left.importer}:{left.line} imports {left.name}, which is nowhere" for left in closure.unresolved]
    problems += [f"{left.importer}:{left.line} needs {left.name}, which is left out" for left in closure.needed]
    problems += [
        f"{use.importer} uses {use.module}.{use.name}, which its replacement lacks"
        for use in closure.uses
        # A star takes what there is; what is then missing shows when everything is imported.
        if use.name != "*" and not hasattr(import_module(f".replacements.{use.module}", __package__), use.name)
    ]
    problems += [f"nothing imports {name}, which has a replacement" for name in replaced if name not in closure.modules]
    problems += [f"nothing is left out by the row {row}" for row in sorted(set(left_out) - closure.used)]
    problems += [
        f"{module} calls {library}, for which there is only a stand-in"
        for library, (callers, _) in modules.NEVER_CALLED.items()
        for module in closure.modules.keys() & set(callers)
    ]
    if problems:
        sys.exit("image.modules does not fit:\n  " + "\n  ".join(problems))
    return closure


def place_modules(root: Root, found: Closure, source: Path) -> list[Path]:
    """Write the byte-code, copy the shared libraries of extension modules, and return those libraries."""
    libraries = []
    for module in sorted(found.modules.values()):
        if module.path.endswith(".py"):
            # The interpreter has the modules frozen in that it starts with, and looks there first.
            if not _imp.is_frozen(module.name):
                root.taken.add(Path(module.path))
                shown = module.name.replace(".", "/") + ("/__init__.py" if module.is_package else ".py")
                # Where a bug of ours is, its report must say; in a library, the function will do.
                own = module.path.startswith(f"{source}/")
                root.write(_destination(module), byte_code(Path(module.path).read_bytes(), shown, lines=own))
        elif module.path:
            root.copy(Path(module.path))
            libraries.append(Path(module.path))
    # The interpreter recognises its library by this name. The module itself is frozen in.
    root.write(STDLIB / "os.pyc", b"")
    root(STDLIB / "lib-dynload").mkdir(exist_ok=True)
    root.write(ENTRY, byte_code((source / "entrypoint.py").read_bytes(), "entrypoint.py"))
    return libraries


def _destination(module: Module) -> Path:
    below = module.name.replace(".", "/")
    return STDLIB / (f"{below}/__init__.pyc" if module.is_package else f"{below}.pyc")


def place_programs(root: Root, libraries: list[Path]) -> None:
    """Copy the interpreter and all that it and the extension modules link to; what is never called is stood in for."""
    programs = dict.fromkeys((INTERPRETER, *libraries))
    for program in tuple(programs):
        listed = subprocess.run(["/usr/bin/ldd", str(program)], check=True, capture_output=True, text=True).stdout
        for line in listed.splitlines():
            words = line.replace("=>", " ").split()
            if paths := [word for word in words if word.startswith("/")]:
                programs[Path(paths[-1])] = None
    called = [path for path in programs if path.name not in modules.NEVER_CALLED or not can_be_made()]
    for program in called:
        root.copy(program)
    for library in programs.keys() - set(called):
        # As for a copy: Debian's /lib is a link.
        root.write(library.resolve().with_name(library.name), stand_in(library, called))


def import_all(root: Root, found: Closure) -> None:
    """Have the interpreter of the new file system import every module in it, with nothing else in sight.

    Raises:
        subprocess.CalledProcessError: one cannot be imported, so something that it needs was left out.

    """
    program = "\n".join(f"import {name}" for name in sorted(found.modules))
    command = ["/usr/sbin/chroot", str(root.folder), str(INTERPRETER), "-I", "-S", "-X", "utf8", "-c", program]
    subprocess.run(command, check=True)


def place_trust(root: Root) -> None:
    """Copy Debian's authorities to where OpenSSL looks for them."""
    root.copy(BUNDLE)
    for link in (Path("/usr/lib/ssl/cert.pem"), Path("/usr/lib/ssl/certs")):
        root(link).symlink_to(link.readlink())


def place_inventory(root: Root, found: Closure, source: Path, wheels: Path) -> None:
    """Write down what the image is made of."""
    root.copy(Path("/usr/lib/os-release"))
    root(Path("/etc/os-release")).symlink_to("../usr/lib/os-release")
    ours = inventory.ours(source / "LICENSE")
    used = [module.name for module in found.modules.values() if module.path.startswith(f"{wheels}/")]
    packages = [*inventory.debian_packages(root.taken), *inventory.wheels(wheels, STDLIB, used)]
    written: dict[bytes, Path] = {}
    for path, content in sorted(item for package in (ours, *packages) for item in package.files.items()):
        # The interpreter's packages each bring the same long copyright file.
        if len(content) > _LINKED_FROM and content in written:
            root(path).symlink_to(os.path.relpath(written[content], path.parent))
        else:
            root.write(path, content)
            written[content] = path
    root.write(Path("/usr/share/doc/tiktoken-cache-init/sbom.cdx.json"), inventory.bill_of_materials(ours, packages))


def main() -> None:
    """Lay out one image."""
    parser = argparse.ArgumentParser()
    parser.add_argument("profile", choices=("default", "offline"))
    parser.add_argument("root", type=Path)
    parser.add_argument("--wheels", type=Path, required=True)
    parser.add_argument("--source", type=Path, default=Path.cwd())
    arguments = parser.parse_args()
    root = Root(arguments.root)
    root.folder.mkdir(parents=True)
    found = reach(arguments.profile, arguments.source, arguments.wheels)
    libraries = place_modules(root, found, arguments.source)
    place_programs(root, libraries)
    for path, content in (("/etc/passwd", USERS), ("/etc/group", GROUPS)):
        root.write(Path(path), content)
    if arguments.profile == "default":
        root.write(Path("/etc/nsswitch.conf"), NSSWITCH)
        place_trust(root)
    root(Path("/cache/tiktoken")).mkdir(mode=0o755)
    place_inventory(root, found, arguments.source, arguments.wheels)
    import_all(root, found)
    seal(root.folder)


if __name__ == "__main__":
    main()
