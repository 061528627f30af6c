"""The whole of it parses source, takes byte-code apart, and is slow to load. These five are called."""

from types import AsyncGeneratorType, CoroutineType, GeneratorType


def isgenerator(value: object) -> bool:
    return isinstance(value, GeneratorType)


def isasyncgen(value: object) -> bool:
    return isinstance(value, AsyncGeneratorType)


def iscoroutine(value: object) -> bool:
    return isinstance(value, CoroutineType)


def get_annotations(value: object) -> dict[str, object]:
    return dict(value.__dict__.get("__annotations__", ()))  # noqa: RUF063  that function is this one


def signature(value: object) -> object:
    # It would only be a docstring of h11's events; dataclasses goes on without one.
    raise ValueError
