"""Stand-ins for three parts of the standard library that take longer to load than the rest of a fill takes.

A gateway waits for this program at every one of its starts. Counted in instructions, a run that finds everything ready is
half as long without `typing`, `contextlib` and `signal` (``benchmarks/``). For type checkers these are the real ones.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from contextlib import suppress
    from typing import NamedTuple
else:
    # What `signal` adds to it are enumerations, and `operator` the same once more in Python.
    import _signal as signal
    from _operator import itemgetter

    class NamedTuple(tuple):
        """`typing.NamedTuple`, as far as it is used here: fields with defaults, `_replace`, comparison and hash by value."""

        __slots__ = ()
        _fields = ()

        def __init_subclass__(cls):
            """Turn the annotations into fields."""
            cls._fields = tuple(cls.__annotations__)
            cls._defaults = {name: cls.__dict__[name] for name in cls._fields if name in cls.__dict__}
            for place, name in enumerate(cls._fields):
                setattr(cls, name, property(itemgetter(place)))

        def __new__(cls, *values, **named):
            """Take the fields by place or by name."""
            rest = cls._fields[len(values) :]
            given = {**cls._defaults, **named}
            if len(values) > len(cls._fields) or not set(rest) <= given.keys() or not set(named) <= set(rest):
                raise TypeError(f"{cls.__name__} takes the fields {', '.join(cls._fields)}")
            return tuple.__new__(cls, (*values, *(given[name] for name in rest)))

        def __getnewargs__(self):
            """Have copies made from the values."""
            return tuple(self)

        def __repr__(self):
            """Name the fields."""
            fields = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({fields})"

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **named):
            return type(self)(**{**self._asdict(), **named})

    class suppress:  # noqa: N801  it stands in for one of that name
        """`contextlib.suppress`."""

        def __init__(self, *errors):
            self._errors = errors

        def __enter__(self):
            """Do nothing."""

        def __exit__(self, kind, error, trace):
            """Suppress the errors named."""
            return kind is not None and issubclass(kind, self._errors)


__all__ = ["NamedTuple", "signal", "suppress"]
