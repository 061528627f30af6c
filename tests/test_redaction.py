from __future__ import annotations

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.samples import Ended, command, settings
from tiktoken_cache_init.errors import BadSetting
from tiktoken_cache_init.redaction import HIDDEN, Scrubber, shown
from tiktoken_cache_init.run import Run
from tiktoken_cache_init.sources import RouteFailed
from tiktoken_cache_init.sources.transport import Transport

# What people and password generators put into URLs, escaped or not. Never six letters of it are in a message by themselves.
CONSPICUOUS = st.lists(st.sampled_from(["QxQxQx", "ZvZvZv", "WkWkWk"]), min_size=1, max_size=3)
BETWEEN = st.sampled_from([*",/?#@:=&;'\"\\ \x1bé", "", "%2C", "%40", ":/", ":8/"])
STARTS = ["http://", "https://", "HTTP://", "htp://", "ftp://", "file://", "http:/", "https:", "//", ""]


def _password(draw: st.DrawFn) -> str:
    between: str = draw(BETWEEN)
    return between.join(draw(CONSPICUOUS))


PASSWORD = st.composite(_password)()


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://mirror.example/x", "https://mirror.example/x"),
        ("http://user:pass@mirror.example:8080/x", f"http://{HIDDEN}@mirror.example:8080/x"),
        ("http://token@mirror.example", f"http://{HIDDEN}@mirror.example"),
        ("http://user:p@ss@mirror.example/x", f"http://{HIDDEN}@mirror.example/x"),
        ("http://user:pa/ss@mirror.example/x", f"http://{HIDDEN}@mirror.example/x"),
        ("http://user:pa?ss@mirror.example/x", f"http://{HIDDEN}@mirror.example/x"),
        ("http://user:pa#ss@mirror.example/x", f"http://{HIDDEN}@mirror.example/x"),
        ("http://[::1]:8080/a@b", "http://[::1]:8080/a@b"),
        ("https://user:12/hunter22@h.example/", f"https://{HIDDEN}@h.example/"),
        ("https://corp/user:hunter22@h.example/", f"https://{HIDDEN}@h.example/"),
        ("http//user:hunter22@h.example/", f"{HIDDEN}@h.example/"),
        ("https;//user:hunter22@h.example/", f"{HIDDEN}@h.example/"),
        ("https://h.example/a#token=secret", f"https://h.example/a#{HIDDEN}"),
        ("https://u:p@h.example/a#sha256=ab12", f"https://{HIDDEN}@h.example/a#sha256=ab12"),
        ("https://cdn.example/npm/tiktoken@1.0.0/x", "https://cdn.example/npm/tiktoken@1.0.0/x"),
        ("http://mirror.example/@scope/x", "http://mirror.example/@scope/x"),
        ("http://mirror.example:8080/@scope/x", "http://mirror.example:8080/@scope/x"),
        ("https://mirror.example/x?sig=secret", f"https://mirror.example/x?{HIDDEN}"),
        ("https://u:p@mirror.example/x?sig=secret", f"https://{HIDDEN}@mirror.example/x?{HIDDEN}"),
        ("/mnt/usb", "/mnt/usb"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, safe: str) -> None:
    assert shown(url) == safe


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("https://user:secret@h/x", "login with secret failed"),
        ("https://user:se%20cret@h/x", "login with se cret failed"),
        ("https://secret@h/x", "login with secret failed"),
        ("https://h/x?sig=secret", "login with secret failed"),
        ("https://h/x?secret", "login with secret failed"),
        ("https://h/x?a=1&sig=sec%2Fret#f", "login with sec/ret failed"),
        ("https://a.example, https://user:secret@h/x", "login with secret failed"),
        ('"https://user:secret@h/x"', "login with secret failed"),
    ],
)
def test_a_secret_is_taken_out_of_any_text(text: str, printed: str) -> None:
    assert Scrubber([text])(printed) == f"login with {HIDDEN} failed"


def test_the_longer_secret_goes_first() -> None:
    scrub = Scrubber(["http://u:secret@h", "http://u:secretlonger@h"])
    assert scrub("secretlonger secret") == f"{HIDDEN} {HIDDEN}"


@pytest.mark.parametrize("text", ["nothing", "me@example.com", "https://mirror.example/x", "a?b"])
def test_what_holds_no_secret_takes_nothing_out(text: str) -> None:
    assert Scrubber([text])(text) == text


def test_a_secret_too_short_to_tell_from_words_is_still_hidden_in_a_url() -> None:
    assert Scrubber(["http://u:a@h"])("a file") == "a file"
    assert Scrubber(["http://u:abcd@h"])("an abcd") == f"an {HIDDEN}"
    assert shown("http://u:a@h") == f"http://{HIDDEN}@h"


@given(PASSWORD)
@example("QxQxQx:/ZvZvZv")
def test_no_part_of_a_password_is_shown(password: str) -> None:
    assert not parts_of(password, shown(f"https://user:{password}@mirror.example/tiktoken"))


def output_of(ended: Ended) -> str:
    return ended.stdout.decode() + ended.stderr


def parts_of(password: str, text: str) -> list[str]:
    """Return the parts of the password, long enough to be no accident, that the text has."""
    return [part for part in ("QxQxQx", "ZvZvZv", "WkWkWk") if part in password and part in text]


@given(PASSWORD, st.sampled_from(STARTS), st.sampled_from(["", ":8x", "/x"]))
@example("QxQxQx,ZvZvZv", "http://", "/x")
@example("QxQxQx", "", "/x")
@example("QxQxQx", "http:/", "/x")
@example("QxQxQx,ZvZvZv", "http:/", "")
@example("QxQxQx=ZvZvZv", "http:/", "")
@example("QxQxQx", "http://", ":8x")
def test_no_part_of_a_mirror_s_password_is_printed_whatever_is_wrong_with_its_url(
    password: str, start: str, tail: str
) -> None:
    url = f"{start}user:{password}@mirror.invalid{tail}"
    for arguments in (["--mirror", url], [f"--mirror={url}"], [f"--mirrors={url}"], [f"--mirror:{url}"], [url]):
        # The setting that is read last is wrong, so that nothing is fetched.
        ended = command("--cache-dir", "/nowhere", *arguments, "--log", "none")
        assert ended.code == 2
        assert not parts_of(password, output_of(ended))
    for value in (url, f'"{url}"', f"http://a.example,{url}", f"{url} {url}"):
        ended = command("--cache-dir=/nowhere", "--log=none", environment={"TIKTOKEN_INIT_MIRRORS": value})
        assert not parts_of(password, output_of(ended))


@given(PASSWORD)
def test_no_part_of_a_private_vocabulary_s_password_is_printed(password: str) -> None:
    for entry in (f"https://user:{password}@h/x", f"https://user:{password}@h/x#sha256=abc", f"user:{password}@h"):
        ended = command("--cache-dir", "/nowhere", "--log=none", "--extra", entry)
        assert not parts_of(password, output_of(ended))


@given(PASSWORD, st.sampled_from(["HTTP_PROXY", "https_proxy", "ALL_PROXY"]), st.sampled_from(STARTS))
@example("QxQxQx/ZvZvZv", "HTTPS_PROXY", "http://")
@example("x-oauth-basic", "HTTPS_PROXY", "ftp://")
def test_no_part_of_a_proxy_s_credentials_is_printed_if_the_client_cannot_use_them(
    password: str, variable: str, start: str
) -> None:
    token = "WkWkWk" if start else "user"
    value = f"{start}{token}:{password}@proxy.invalid:3128"
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            patch.delenv(name)
        # The client reads the environment of the process.
        patch.setenv(variable, value)
        said = ""
        try:
            Transport(settings(), Run())
        except (BadSetting, RouteFailed) as error:
            said = Scrubber([value])(str(error))
    assert not parts_of(token + password, said)
