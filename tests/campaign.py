"""Random campaigns against the command line: volumes, stops, servers and secrets.

Run it as ``python -m tests.campaign [--seed N] [--seconds N] [NAME ...]``. The same seed gives the same cases, but not the same
timing. Each case that breaks a promise is printed with its seed, and the exit code is then 1.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import os
import random
import re
import signal
import string
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from unittest.mock import patch

from tests.drivers import Host, Running
from tests.faults import lost, torn
from tests.samples import Ended, command, left_behind
from tests.server import Request, Server, close, reset, serve
from tests.states import Entry, snapshot
from tests.vocabularies import is_right, obtain
from tiktoken_cache_init.catalogue import ENCODINGS, VOCABULARIES, vocabularies_of
from tiktoken_cache_init.volume.staging import PREFIX

WANTED = vocabularies_of(ENCODINGS[:2])
NAMES = {known.cache_key: known for known in WANTED}
SHARED = obtain()
CONTENT = {known: (SHARED / known.cache_key).read_bytes() for known in VOCABULARIES}


def start(directory: Path, mirror: Path | str, *arguments: str) -> Running:
    """Start a fill of a directory from a mirror."""
    fill = ["fill", "--cache-dir", str(directory), "--sources", "fetch", "--origin", "off", "--mirror", str(mirror)]
    return Host().start(*fill, *arguments)


def end(running: Running) -> Ended:
    """Wait for the end of a run, and check that it reports no bug."""
    ended = running.wait()
    # Before the first line of the program, Python itself reacts to SIGINT. It calls the moment before line 1 line 0.
    early = "entrypoint.py" not in ended.said or 'entrypoint.py", line 0,' in ended.said
    bugs = ("bug in this program", "Traceback", "Exception ignored")
    assert (early and "KeyboardInterrupt" in ended.said) or not any(bug in ended.said for bug in bugs), ended
    return ended


def is_filled(volume: Path) -> bool:
    """Return whether every wanted file is there. Each file that is there must be right."""
    there = [known for known in WANTED if (volume / known.cache_key).exists()]
    assert all(is_right(volume / known.cache_key, known) for known in there)
    return len(there) == len(WANTED)


# Volumes.


def volumes(draw: random.Random, directory: Path) -> str:
    """Run several fills of a random volume at once, kill some of them, and then fill it."""
    volume = directory / "volume"
    volume.mkdir()
    for known in WANTED:
        for name in (known.cache_key, known.published_name):
            litter(draw, volume, name)
    for _ in range(draw.randrange(3)):
        litter(draw, volume, f"{PREFIX}{draw.randbytes(8).hex()}")
    (volume / "notes.txt").write_text("of the user")
    before = snapshot(volume)
    runs = [start(volume, SHARED) for _ in range(draw.randrange(1, 4))]
    for running in runs:
        time.sleep(draw.uniform(0, 0.15))
        if draw.random() < 0.7:
            running.signal(draw.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
    for running in runs:
        end(running)
    check(volume, before)
    last = end(start(volume, SHARED))
    check(volume, before)
    if last.code:
        assert last.code == 3, last
        assert any(path.is_dir() and list(path.iterdir()) for path in volume.iterdir()), last
        return "refused"
    assert is_filled(volume)
    # Only a whole vocabulary that is not under its name may stay in a temporary file.
    for name in left_behind(volume):
        assert (volume / name).read_bytes() in set(CONTENT.values()) - {CONTENT[known] for known in WANTED}, last
    return "ready"


def check(volume: Path, before: dict[str, Entry]) -> None:
    """Check the contract: no file is torn, no wanted bytes are lost, and no other file has changed."""
    after = snapshot(volume)
    problems = [*torn(volume, NAMES, before, after), *lost(volume, NAMES, before, after, WANTED)]
    assert not problems, problems


def litter(draw: random.Random, volume: Path, name: str) -> None:
    """Put something under a name, or nothing."""
    path = volume / name
    data = CONTENT[draw.choice(VOCABULARIES)]
    match draw.randrange(9):
        case 0:
            path.write_bytes(b"")
        case 1:
            path.write_bytes(data)
        case 2:
            path.write_bytes(data[: draw.randrange(len(data))])
        case 3:
            path.write_bytes(b"<html>" + draw.randbytes(100))
        case 4 if not name.startswith(PREFIX):
            path.mkdir()
            if draw.random() < 0.3:
                (path / "file").write_text("of the user")
        case 5 if not name.startswith(PREFIX):
            path.symlink_to(draw.choice(["nowhere", "..", name, "/etc/passwd", WANTED[0].published_name]))


# Servers.


SERVER = Server()
"""Server of every case. The case gives it an answer for all paths."""
for known in VOCABULARIES:
    SERVER.offer(f"/{known.path}", CONTENT[known])


def servers(draw: random.Random, directory: Path) -> str:
    """Fetch from a server that misbehaves at random for some requests, and is honest afterwards or never."""
    bad = draw.choice([1, 2, 3, 1000])
    seed, numbers = draw.random(), itertools.count()

    def answer(request: Request) -> None:
        number = next(numbers)
        if number < bad:
            misbehave(random.Random(f"{seed}-{number}"), request)
        else:
            serve()(request)

    SERVER.otherwise = answer
    ended = end(start(directory / "volume", SERVER.url, "--timeout", "1", "--deadline", "15"))
    assert ended.code in (0, 4), ended
    assert is_filled(directory / "volume") == (ended.code == 0), ended
    assert not left_behind(directory / "volume"), ended
    return f"code {ended.code}"


def misbehave(draw: random.Random, request: Request) -> None:
    """Answer a request wrongly."""
    data = request.content or b"not found"
    status = draw.choice([200, 200, 200, 206, 204, 301, 302, 304, 401, 403, 404, 407, 416, 429, 500, 503, 511, 999])
    part = data[: draw.randrange(len(data))]
    body = draw.choice([data, data, part, data + b"x", b"<html>", draw.randbytes(1000), b""])
    if draw.random() < 0.1:
        body = gzip.compress(body, 1)
    request.handler.close_connection = draw.random() < 0.5
    head = [f"HTTP/1.{draw.choice('0111')} {status} {draw.choice(['OK', '', 'x' * 300])}"]
    length = draw.choice([str(len(body)), str(len(body)), "0", str(10**12), "-1", "many", None])
    if length is not None:
        head.append(f"Content-Length: {length}")
    if draw.random() < 0.2:
        head.append(draw.choice(["Transfer-Encoding: chunked", "Content-Encoding: gzip", "Content-Encoding: br"]))
    if draw.random() < 0.4:
        first = draw.choice([0, 1, len(body), -1])
        head.append(f"Content-Range: bytes {first}-{len(body)}/{draw.choice(['*', len(data), 3])}")
    if 300 <= status < 400:
        places = ["/encodings/cl100k_base.tiktoken", request.target, "ftp://h/x", "//", "http://[", "", "a b"]
        head.append(f"Location: {draw.choice(places)}")
    if draw.random() < 0.2:
        head.append(f"Retry-After: {draw.choice(['0', '1', '99999', 'soon', '-1'])}")
    cut = draw.choice([len(body), len(body), draw.randrange(len(body) + 1)])
    request.write("\r\n".join([*head, "", ""]).encode() + body[:cut])
    if draw.random() < 0.2:
        time.sleep(draw.uniform(0, 2))
    if draw.random() < 0.3:
        draw.choice([close, reset])(request)


# Stops.


def stops(draw: random.Random, directory: Path) -> str:
    """Stop a fetch at a random moment."""
    SERVER.otherwise = serve(rate=10_000_000)
    running = start(directory / "volume", SERVER.url)
    time.sleep(draw.uniform(0.0, 1.5))
    number = draw.choice([signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    running.signal(number)
    ended = end(running)
    # Python itself ends with 1 before the first line of the program.
    early = number == signal.SIGINT and ended.code == 1 and "KeyboardInterrupt" in ended.said
    assert ended.code in (0, 128 + number) or early, ended
    assert ended.code or is_filled(directory / "volume"), ended
    assert not left_behind(directory / "volume"), ended
    return f"code {ended.code}"


# Secrets.

LETTERS = string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@/?#%[] \"\\"


def secrets(draw: random.Random, directory: Path) -> str:
    """Give a URL with a secret to a setting or to a variable, and look for the secret in all that is printed."""
    secret = "S3" + "".join(draw.choice(LETTERS) for _ in range(draw.randrange(6, 20))) + "eT"
    if draw.random() < 0.6:
        secret = urllib.parse.quote(secret, safe="")
    host = draw.choice(["127.0.0.1:1", "127.0.0.1:1", "h", "", "[::1]:1", "127.0.0.1:x", "127.0.0.1:99999"])
    scheme = draw.choice(["http", "https", "HTTP", "ftp", "socks5", "", "file"])
    mark = draw.choice(["://", "://", "://", ":", ":/", "///"])
    url = draw.choice(
        [
            f"{scheme}{mark}user:{secret}@{host}",
            f"{scheme}{mark}{secret}@{host}/path",
            f"{scheme}{mark}{host}/path?token={secret}",
            f"{scheme}{mark}user:{secret}@{host}/x?sig={secret}#f",
        ]
    )
    SERVER.otherwise = lambda request: repeat(draw, request, urllib.parse.unquote(secret))
    there = SERVER.url.replace("://", f"://user:{secret}@")
    arguments, environment = draw.choice(
        [
            (["--mirror", url, "--log", draw.choice(["text", "json"])], {}),
            ([], {"TIKTOKEN_INIT_MIRRORS": url}),
            (["--mirror", "http://127.0.0.1:1/"], {"HTTP_PROXY": url}),
            (["--extra", f"{url}#sha256={draw.choice(['ab' * 32, 'ab'])}"], {}),
            (["--mirror", there, "--log", draw.choice(["text", "json"])], {}),
            (["--mirror", f"{draw.choice(['http', 'https'])}://mirror.test"], {"ALL_PROXY": there}),
        ]
    )
    arguments += ["--timeout", "0.2", "--deadline", "0.5", "--sources", "fetch", "--origin", "off"]
    # In this process, because redaction needs many cases, and a start takes longer than a case.
    with patch.dict(os.environ, environment, clear=True):
        done = command("fill", "--cache-dir", str(directory / "volume"), *arguments, environment=environment)
    said = done.said
    assert done.code != 70, said
    plain = urllib.parse.unquote(secret)
    # A part that is too short may be in a word of ours.
    for form in (secret, plain, urllib.parse.quote(secret), *re.findall(r"\w{6,}", plain)):
        assert form.lower() not in said.lower(), (form, url, said)
    return f"code {done.code}"


def repeat(draw: random.Random, request: Request, secret: str) -> None:
    """Answer with a secret in some encoding, at a place that a message may quote."""
    encodings: list[Callable[[str], str]] = [
        str,
        urllib.parse.quote,
        lambda text: urllib.parse.quote(text, safe=""),
        lambda text: urllib.parse.quote(text, safe="").lower(),
        lambda text: urllib.parse.quote(urllib.parse.quote(text)),
        lambda text: "".join(f"%{ord(character):02x}" if draw.random() < 0.5 else character for character in text),
        lambda text: request.headers.get("Authorization") or request.headers.get("Proxy-Authorization") or text,
    ]
    echo = draw.choice(encodings)(secret)
    status, reason = draw.choice([200, 302, 401, 403, 407, 502, 503]), draw.choice(["OK", echo])
    head = [f"HTTP/1.1 {status} {reason}"]
    if status == 302:
        places = ["http://{}/", "http://h/{}", "http://{}@127.0.0.1:1/", "{}", "http://127.0.0.1:1/?{}", "{}://h"]
        head.append(f"Location: {draw.choice(places).format(echo)}")
    head.append(draw.choice(["", echo, f"{echo}: x", f"Content-Length: {echo}", f"Transfer-Encoding: {echo}"]))
    head.append(draw.choice(["Connection: close", "Transfer-Encoding: chunked", f"Content-Encoding: {echo}"]))
    answer = draw.choice(["\r\n".join([*filter(None, head), "", echo]), f"{echo}\r\n\r\n"])
    request.write(answer.encode())
    close(request)


CAMPAIGNS = {"volumes": volumes, "stops": stops, "servers": servers, "secrets": secrets}


def run(name: str, seed: int, seconds: float, numbers: Iterable[int]) -> tuple[Counter[str], list[str]]:
    """Run the cases with these numbers for some seconds. Return how often each result came, and the broken promises."""
    results: Counter[str] = Counter()
    broken = []
    stop = time.monotonic() + seconds
    for number in itertools.takewhile(lambda _: time.monotonic() < stop, numbers):
        with tempfile.TemporaryDirectory(prefix="tiktoken-campaign-") as directory:
            try:
                results[CAMPAIGNS[name](random.Random(f"{seed}-{number}"), Path(directory))] += 1
            except (AssertionError, subprocess.TimeoutExpired) as error:
                broken.append(f"{name}, seed {seed}, case {number}: {error}")
    return results, broken


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", default=CAMPAIGNS, help=", ".join(CAMPAIGNS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each campaign")
    parser.add_argument("--case", type=int, help="run only the case with this number")
    given = parser.parse_args()
    failed = False
    for name in given.names:
        numbers = itertools.count() if given.case is None else [given.case]
        results, broken = run(name, given.seed, given.seconds, numbers)
        print(f"{name}: {len(broken)} broken, {dict(results)}", *broken, sep="\n  ", flush=True)
        failed |= bool(broken)
    sys.exit(failed)
