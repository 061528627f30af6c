"""Which modules the program can reach, found by reading the source of each: imports inside functions and on error paths too.

An import that can fail, because the code around it catches ImportError, may lead nowhere. Any other import must lead to a
module that goes into the image, or be left out on purpose, with its reason, in `image.modules`.
"""

from __future__ import annotations

import ast
import importlib.machinery
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_CATCHES_IMPORT_ERROR = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})

# What is known about the machine that the image runs on, and about how its byte-code is made (optimised).
_KNOWN_TEXTS = {"sys.platform": "linux", "os.name": "posix", "__name__": ""}
# Modules without a file of their own: others make them as they are loaded.
_MADE_BY_OTHERS = frozenset({"collections.abc", "os.path", "importlib._bootstrap", "importlib._bootstrap_external"})

_KNOWN_TRUTHS = {
    "TYPE_CHECKING": False,
    "typing.TYPE_CHECKING": False,
    "__debug__": False,
    "'nt' in _names": False,
}


class Module(NamedTuple):
    """One module that is reached."""

    name: str
    path: str
    """Where its source or its shared library is; empty if the interpreter has it built in."""
    is_package: bool


class Import(NamedTuple):
    """One import statement, as far as it matters here."""

    name: str
    """What is imported, absolute."""
    line: int
    sure: bool
    """Whether the module is named by the statement itself; a name after `from x import` may be an attribute as well."""
    guarded: bool
    """Whether the code around it goes on without the module."""
    deferred: bool
    """Whether it is carried out only on some occasion, and not whenever its module is loaded."""


class Left(NamedTuple):
    """An import that leads nowhere, or that cannot be left out."""

    importer: str
    line: int
    name: str


class Use(NamedTuple):
    """A name that is used of a module which is replaced."""

    importer: str
    module: str
    name: str


class Closure(NamedTuple):
    """What was found."""

    modules: dict[str, Module]
    unresolved: list[Left]
    """Imports that would fail, and that nothing catches."""
    needed: list[Left]
    """Imports that the table leaves out, though they are carried out whenever their module is loaded."""
    uses: list[Use]
    """What is used of the modules that are replaced."""
    used: set[tuple[str, str]]
    """The rows of the table of exclusions that left something out."""


def find(name: str, folders: Sequence[str]) -> Module | None:
    """Return the module of that name, looked for in the folders in order."""
    if name in sys.builtin_module_names or name in _MADE_BY_OTHERS:
        return Module(name, "", False)
    below = name.replace(".", "/")
    for folder in map(Path, folders):
        candidates = [folder / below / "__init__.py", folder / f"{below}.py"]
        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            candidates += [folder / f"{below}{suffix}", folder / "lib-dynload" / f"{below}{suffix}"]
        for path in candidates:
            if path.is_file():
                return Module(name, str(path), path.name == "__init__.py")
    return None


def close_over(
    start: Iterable[str],
    folders: Sequence[str],
    left_out: Mapping[tuple[str, str], str],
    replaced: Collection[str] = (),
) -> Closure:
    """Return everything that is reached from the modules named.

    ``left_out`` maps (importer, imported) to the reason why that import is not followed; ``*`` as the importer means any.
    What is used of the modules in ``replaced`` is noted.
    """
    closure = Closure({}, [], [], [], set())
    queue = [Import(name, 0, sure=True, guarded=False, deferred=False) for name in start]
    importers = ["" for _ in queue]
    while queue:
        wanted, importer = queue.pop(), importers.pop()
        if rule := _rule_for(importer, wanted.name, left_out):
            closure.used.add(rule)
            if not wanted.guarded and not wanted.deferred:
                closure.needed.append(Left(importer, wanted.line, wanted.name))
            continue
        if wanted.name in closure.modules:
            continue
        module = find(wanted.name, folders)
        if module is None:
            if wanted.sure and not wanted.guarded:
                closure.unresolved.append(Left(importer, wanted.line, wanted.name))
            continue
        closure.modules[wanted.name] = module
        tree = _parse(module)
        closure.uses.extend(uses_in(module, tree, [name for name in replaced if (wanted.name, name) not in left_out]))
        found = list(imports_of(module, tree))
        if parent := wanted.name.rpartition(".")[0]:
            found.append(Import(parent, 0, sure=True, guarded=False, deferred=False))
        queue += found
        importers += [wanted.name] * len(found)
    return closure


def _rule_for(importer: str, name: str, left_out: Mapping[tuple[str, str], str]) -> tuple[str, str] | None:
    # A rule for a package holds for all that is in it.
    whole = name
    while whole:
        for rule in ((importer, whole), ("*", whole)):
            if rule in left_out and importer.partition(".")[0] != whole:
                return rule
        whole = whole.rpartition(".")[0]
    return None


def _parse(module: Module) -> ast.Module:
    """Return a module's source; what is not Python has none."""
    source = Path(module.path).read_bytes() if module.path.endswith(".py") else b""
    return ast.parse(source, module.path)


def _package_of(module: Module) -> str:
    return module.name if module.is_package else module.name.rpartition(".")[0]


def imports_of(module: Module, tree: ast.Module) -> Iterator[Import]:
    """Yield what a module's source imports."""
    yield from _Reader(_package_of(module)).read(tree.body, guarded=False, deferred=False)


def uses_in(module: Module, tree: ast.Module, replaced: Collection[str]) -> Iterator[Use]:
    """Yield which names a module's source uses of those modules."""
    package = _package_of(module)
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (base := _absolute(node, package)) in replaced:
            yield from (Use(module.name, base, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            bound |= {alias.asname or alias.name: alias.name for alias in node.names if alias.name in replaced}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (name := ast.unparse(node.value)) in bound:
            yield Use(module.name, bound[name], node.attr)


class _Reader:
    """Finds the import statements of one module."""

    def __init__(self, package: str) -> None:
        self._package = package

    def read(self, body: Iterable[ast.AST], *, guarded: bool, deferred: bool) -> Iterator[Import]:
        for node in body:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(alias.name, node.lineno, True, guarded, deferred)
            elif isinstance(node, ast.ImportFrom):
                base = _absolute(node, self._package)
                yield Import(base, node.lineno, True, guarded, deferred)
                for alias in node.names:
                    yield Import(f"{base}.{alias.name}", node.lineno, False, guarded, deferred)
            elif isinstance(node, ast.If):
                truth = _truth(node.test)
                taken = ([] if truth is False else node.body) + ([] if truth is True else node.orelse)
                yield from self.read(taken, guarded=guarded, deferred=deferred)
            elif isinstance(node, ast.Try):
                catches = any(map(_catches, node.handlers))
                yield from self.read(node.body, guarded=guarded or catches, deferred=deferred)
                yield from self.read(node.handlers, guarded=guarded, deferred=True)
                yield from self.read([*node.orelse, *node.finalbody], guarded=guarded, deferred=deferred)
            else:
                later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from self.read(ast.iter_child_nodes(node), guarded=guarded, deferred=deferred or later)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(kind, ast.Name) and kind.id in _CATCHES_IMPORT_ERROR for kind in kinds)


def _truth(test: ast.expr) -> bool | None:
    """Return what a condition comes to in the image, or None if that is not known here."""
    text = ast.unparse(test)
    if text in _KNOWN_TRUTHS:
        return _KNOWN_TRUTHS[text]
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _truth(test.operand)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        return _truth_of_all(test)
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return _truth_of_comparison(test)
    return None


def _truth_of_all(test: ast.BoolOp) -> bool | None:
    truths = [_truth(value) for value in test.values]
    decisive = isinstance(test.op, ast.Or)
    if decisive in truths:
        return decisive
    return None if None in truths else not decisive


def _truth_of_comparison(test: ast.Compare) -> bool | None:
    left, right, operator = ast.unparse(test.left), test.comparators[0], test.ops[0]
    try:
        value = ast.literal_eval(right)
    except ValueError:
        return None
    if left == "sys.version_info" and isinstance(value, tuple):
        ours = sys.version_info[: len(value)]
        return {ast.GtE: ours >= value, ast.Lt: ours < value}.get(type(operator))
    if left in _KNOWN_TEXTS:
        ours_text = _KNOWN_TEXTS[left]
        if isinstance(operator, ast.Eq | ast.NotEq):
            return (ours_text == value) is isinstance(operator, ast.Eq)
        if isinstance(operator, ast.In | ast.NotIn):
            return (ours_text in value) is isinstance(operator, ast.In)
    return None
