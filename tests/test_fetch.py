from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.network.server import Server
from tests.samples import CONTENT, ROOT, settings, staging, vocabulary
from tiktoken_cache_init.catalogue import VOCABULARIES, Vocabulary
from tiktoken_cache_init.run import Run
from tiktoken_cache_init.sources import NotThere, RouteFailed
from tiktoken_cache_init.sources.fetch import Fetch, HttpMirror
from tiktoken_cache_init.staging import StagedFile

PIN = vocabulary(name="encodings/tiny.tiktoken")
OTHER = vocabulary(b"QQ== 0\n", "encodings/other.tiktoken")
BASE = "http://mirror.example"


class Told(Fetch):
    """A source whose transfers do as they are told, and which remembers what was asked for."""

    def __init__(self, answer: Callable[[str, StagedFile], None]) -> None:
        super().__init__(settings(mirrors=(BASE,)), Run())
        self.asked: list[str] = []
        self._answer = answer

    def get(self, url: str, _: Vocabulary, staged: StagedFile) -> None:
        self.asked.append(url.removeprefix(f"{BASE}/"))
        self._answer(url, staged)


def only(name: str) -> Callable[[str, StagedFile], None]:
    """Answer with the file under one kind of name, as a mirror does that lays all files out in one way."""

    def answer(url: str, staged: StagedFile) -> None:
        pin = staged.vocabulary
        if url != f"{BASE}/{getattr(pin, name)}":
            raise NotThere(f"404 for {url.removeprefix(BASE)}")
        staged.write(CONTENT[: pin.size])

    return answer


def test_mirrors_come_before_the_origin() -> None:
    source = Fetch(settings(mirrors=("http://a.example", "/mnt/usb"), origin=True), Run())
    labels = [route.label for route in source.routes(VOCABULARIES[0])]
    assert labels == ["http://a.example", "/mnt/usb", "origin https://openaipublic.blob.core.windows.net"]


def test_the_origin_can_be_left_out() -> None:
    source = Fetch(settings(mirrors=("http://a.example",), origin=False), Run())
    assert [route.label for route in source.routes(VOCABULARIES[0])] == ["http://a.example"]


def test_a_private_vocabulary_is_asked_for_at_its_own_url() -> None:
    source = Fetch(settings(origin=True), Run())
    pin = vocabulary(url="https://user:secret@vocabularies.example:8443/x/y")
    [route] = source.routes(pin)
    assert route.label == "its own URL https://***@vocabularies.example:8443"


def test_files_of_one_origin_share_its_strikes_and_mirrors_theirs() -> None:
    source = Fetch(settings(mirrors=("http://a.example",), origin=True), Run())
    one, other = source.routes(VOCABULARIES[0]), source.routes(VOCABULARIES[1])
    assert one == other
    assert source.routes(PIN)[0] is one[0]
    assert source.routes(PIN)[1] is not one[1]


def test_a_mirror_s_credentials_are_not_in_its_label() -> None:
    [route] = Fetch(settings(mirrors=("http://user:secret@a.example/x?sig=1",)), Run()).routes(PIN)
    assert route.label == "http://***@a.example/x?***"


@pytest.mark.parametrize(("name", "tries"), [("path", 1), ("published_name", 2), ("cache_key", 3)])
def test_a_mirror_is_asked_for_each_of_the_names_until_one_is_there(tmp_path: Path, name: str, tries: int) -> None:
    source = Told(only(name))
    route = HttpMirror(BASE, source)
    with staging(tmp_path, PIN) as (_, staged):
        route.deliver(PIN, staged)
        assert staged.is_right()
    assert source.asked == ["encodings/tiny.tiktoken", "tiny.tiktoken", PIN.cache_key][:tries]


def test_the_kind_of_name_that_worked_is_the_first_for_the_next_file(tmp_path: Path) -> None:
    source = Told(only("cache_key"))
    route = HttpMirror(BASE, source)
    for pin in (PIN, OTHER):
        with staging(tmp_path, pin) as (_, staged):
            route.deliver(pin, staged)
    assert source.asked[3:] == [OTHER.cache_key]


def test_a_file_with_fewer_names_than_the_one_before_is_still_asked_for(tmp_path: Path) -> None:
    source = Told(only("cache_key"))
    route = HttpMirror(BASE, source)
    flat = vocabulary(name="flat.tiktoken")
    for pin in (PIN, flat):
        with staging(tmp_path, pin) as (_, staged):
            route.deliver(pin, staged)
            assert staged.is_right()
    assert source.asked[3:] == ["flat.tiktoken", flat.cache_key]


def test_the_answer_to_the_likeliest_name_is_the_one_that_is_told(tmp_path: Path) -> None:
    source = Told(only("sha256"))
    with staging(tmp_path, PIN) as (_, staged), pytest.raises(NotThere, match=r"404 for /encodings/tiny\.tiktoken"):
        HttpMirror(BASE, source).deliver(PIN, staged)
    assert len(source.asked) == 3


def test_a_mirror_that_fails_is_not_asked_for_the_other_names(tmp_path: Path) -> None:
    def answer(_: str, __: StagedFile) -> None:
        raise RouteFailed("connection refused", passing=True)

    source = Told(answer)
    with staging(tmp_path, PIN) as (_, staged), pytest.raises(RouteFailed, match="connection refused"):
        HttpMirror(BASE, source).deliver(PIN, staged)
    assert len(source.asked) == 1


def test_mirrors_by_http_and_folders_deliver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)
    (tmp_path / "usb").mkdir()
    (tmp_path / "usb/tiny.tiktoken").write_bytes(CONTENT)
    with Server() as server:
        server.offer(f"/{PIN.path}", CONTENT)
        source = Fetch(settings(mirrors=(server.url, str(tmp_path / "usb"))), Run(60))
        for route in source.routes(PIN):
            assert route.strikes == 0
            for number in range(2):
                with staging(tmp_path / f"volume{number}", PIN) as (_, staged):
                    route.deliver(PIN, staged)
                    assert staged.is_right()
    assert len(server.requests) == 2


def test_the_http_client_is_loaded_for_the_first_transfer_only() -> None:
    program = (
        "import sys; from tests.samples import settings; from tiktoken_cache_init.run import Run\n"
        "from tiktoken_cache_init.sources import sources_of\n"
        "from tiktoken_cache_init.catalogue import VOCABULARIES\n"
        "chosen = settings(sources=('fetch',), mirrors=('http://a.example',), origin=True)\n"
        "sources_of(chosen, Run())[0].routes(VOCABULARIES[0])\n"
        "assert 'httpx' not in sys.modules and 'ssl' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
