from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.samples import CONTENT, names_in, process, vocabulary, wait_until
from tiktoken_cache_init import stopping
from tiktoken_cache_init.errors import Stopped
from tiktoken_cache_init.run import Run

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
# Generous: what is measured is a fraction of it, and what it tells apart is the ten seconds of `docker stop`.
SOON = 1.0


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    # Whoever runs the tests with nohup or in the background has some of them ignored, and programs that are started then
    # leave it at that.
    before = {each: signal.signal(each, signal.SIG_DFL) for each in SIGNALS}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.fixture
def stalling() -> Iterator[tuple[str, threading.Event]]:
    """The base of a mirror that sends a few bytes and then no more, and the event of its having sent them."""
    listener = socket.create_server(("127.0.0.1", 0))
    sent = threading.Event()
    kept: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                kept.append(connection)
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + CONTENT * 1000)
                sent.set()

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", sent
    # Closing alone does not wake the thread that waits in accept.
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for connection in kept:
        connection.close()


def start(folder: Path, mirror: str, **options: Any) -> subprocess.Popen[bytes]:
    return process("--cache-dir", str(folder), "--sources=fetch", "--origin=off", "--mirror", mirror, **options)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_becomes_an_error_with_its_exit_code(number: signal.Signals) -> None:
    stopping.install()
    with pytest.raises(Stopped) as caught:
        signal.raise_signal(number)
    assert caught.value.exit_code == 128 + number
    assert str(int(number)) in str(caught.value)


def test_an_impatient_second_signal_does_not_interrupt_the_cleaning_up() -> None:
    stopping.install()
    with pytest.raises(Stopped):
        signal.raise_signal(signal.SIGTERM)
    for each in SIGNALS:
        signal.raise_signal(each)


def test_a_signal_that_was_to_be_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stopping.install()
    signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN


def test_a_signal_that_does_not_wake_the_main_thread_is_noticed_all_the_same() -> None:
    """It may come right before the main thread goes to sleep, or the kernel may hand it to another thread."""
    end = threading.Event()

    def work() -> None:
        time.sleep(0.2)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        end.wait(10)

    stopping.install()
    run = Run()
    with pytest.raises(Stopped):
        run.wait_for(work)
    assert run.elapsed() < 0.2 + SOON
    end.set()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_fetch_that_is_stopped_is_gone_at_once_and_leaves_nothing(
    tmp_path: Path, stalling: tuple[str, threading.Event], number: signal.Signals
) -> None:
    mirror, sent = stalling
    good = vocabulary()
    (tmp_path / good.cache_key).write_bytes(CONTENT)
    running = start(tmp_path, mirror)
    assert sent.wait(30)
    wait_until(lambda: len(names_in(tmp_path)) == 3)
    began = time.monotonic()
    running.send_signal(number)
    _, err = running.communicate(timeout=30)
    assert time.monotonic() - began < SOON
    assert running.returncode == 128 + number
    assert names_in(tmp_path) == [good.cache_key]
    assert err.decode().splitlines()[-1] == f"tiktoken-cache-init: error: stopped by signal {int(number)}"


def test_a_wait_before_the_next_attempt_is_stopped_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = start(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}")
        for _ in range(2):
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 503 No\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n")
            connection.close()
        time.sleep(0.3)
        began = time.monotonic()
        running.terminate()
        running.communicate(timeout=30)
        assert time.monotonic() - began < SOON
    assert running.returncode == 143
    assert not names_in(tmp_path)


def test_under_nohup_a_hang_up_ends_nothing(tmp_path: Path, stalling: tuple[str, threading.Event]) -> None:
    mirror, sent = stalling
    running = start(tmp_path, mirror, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert sent.wait(30)
    running.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(0.3)
    running.terminate()
    running.communicate(timeout=30)
    assert running.returncode == 143


def test_as_the_first_process_of_a_container_it_can_be_stopped(
    tmp_path: Path, stalling: tuple[str, threading.Event]
) -> None:
    """The kernel drops every signal to a process 1 that has no handler for it."""
    mirror, sent = stalling
    unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no process namespaces here")
    command = [sys.executable, str(Path(stopping.__file__).parents[1] / "entrypoint.py"), "--cache-dir", str(tmp_path)]
    options = ["--sources=fetch", "--origin=off", "--mirror", mirror]
    outer = subprocess.Popen([*unshare, *command, *options], env={}, stderr=subprocess.PIPE)
    assert sent.wait(30)
    [first] = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
    began = time.monotonic()
    os.kill(int(first), signal.SIGTERM)
    outer.communicate(timeout=30)
    assert time.monotonic() - began < SOON
    assert outer.returncode == 143
    assert not names_in(tmp_path)
