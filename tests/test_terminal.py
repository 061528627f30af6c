from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tiktoken_cache_init.terminal import columns


@pytest.fixture
def terminal() -> Iterator[int]:
    ours, theirs = pty.openpty()
    yield theirs
    os.close(ours)
    os.close(theirs)


@pytest.fixture(autouse=True)
def _nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.mark.parametrize(("width", "seen"), [(132, 132), (20, 20), (0, 80)])
def test_a_terminal_is_as_wide_as_it_says(terminal: int, width: int, seen: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, width, 0, 0))
    assert columns(terminal) == seen


def test_what_is_no_terminal_counts_as_one_of_80_columns() -> None:
    with Path(os.devnull).open() as file:
        assert columns(file.fileno()) == 80


@pytest.mark.parametrize(("said", "seen"), [("60", 60), ("", 80), ("wide", 80)])
def test_the_variable_wins(monkeypatch: pytest.MonkeyPatch, said: str, seen: int) -> None:
    monkeypatch.setenv("COLUMNS", said)
    with Path(os.devnull).open() as file:
        assert columns(file.fileno()) == seen
