from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.samples import command
from tiktoken_cache_init.redact import HIDDEN, Scrubber, redacted

# Parts of passwords, and characters that users and password generators put between them. No message has such a part.
PARTS = ("QxQxQx", "ZvZvZv", "WkWkWk")
BETWEEN = st.sampled_from([*",/?#@:=&;'\"\\ \x1bé", "", "%2C", "%40", ":/", ":8/"])
STARTS = st.sampled_from(
    ["http://", "https://", "HTTP://", "htp://", "ftp://", "file://", "http:/", "https:", "//", ""]
)
PASSWORD = st.builds(str.join, BETWEEN, st.lists(st.sampled_from(PARTS), min_size=1, max_size=3))


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://mirror.example/x", "https://mirror.example/x"),
        ("http://user:pass@mirror.example:8080/x", f"http://{HIDDEN}@mirror.example:8080/x"),
        ("http://user:p@ss@mirror.example/x", f"http://{HIDDEN}@mirror.example/x"),
        ("http://u:p@[::1]:8080/a", f"http://{HIDDEN}@[::1]:8080/a"),
        ("http://[::1]/a", "http://[::1]/a"),
        ("http://bücher.example:12345", "http://bücher.example:12345"),
        ("https://u:p@my_mirror.example/x?sig=secret#y", f"https://{HIDDEN}@my_mirror.example/x?{HIDDEN}#{HIDDEN}"),
        ("file:///mnt/a@b", "file:///mnt/a@b"),
        ("/mnt/a@b:c", "/mnt/a@b:c"),
        ("./usb", "./usb"),
        ("usb", "usb"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, safe: str) -> None:
    assert redacted(url) == safe


@pytest.mark.parametrize(
    "url",
    [
        "http://user:pa/ss@mirror.example/x",
        "https://user:12/hunter22@h.example/",
        "https://token?rest@h.example/",
        "https://token#rest@h.example/",
        "http://user:hunter22",
        "http://user:123456",
        "http://user:",
        "http://us er@h er/",
        "http://user:pa\nss@h.example/",
        "http://@",
        "http://[::1/",
        "file://u:p/x@h",
        "http//user:hunter22@h.example/",
        "//user:hunter22@h.example/",
        "user:hunter22",
        "hunter22@h.example",
        "a.example,https://user:hunter22@h.example",
    ],
)
def test_a_url_that_does_not_show_where_its_password_ends_is_not_shown_at_all(url: str) -> None:
    assert redacted(url) == HIDDEN


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("https://user:secret@h/x", "login with secret failed"),
        ("https://user:se%20cret@h/x", "login with se cret failed"),
        ("https://secret@h/x", "login with secret failed"),
        ("https://h/x?sig=secret", "login with secret failed"),
        ("https://h/x?secret", "login with secret failed"),
        ("https://h/x#secret", "login with secret failed"),
        ("https://h/x?a=1&sig=sec%2Fret#f", "login with sec/ret failed"),
        ("https://a.example, https://user:secret@h/x", "login with secret failed"),
        ("https://a.example https://b.example,https://user:sec,ret@h/x", "login with sec,ret failed"),
        ("https://user:sec%2Fret@h/x", "login with SEC%2fret failed"),
        ("https://user:sec!ret@h/x", "login with sec%21ret failed"),
        ("https://user:secret@h/x", "login with dXNlcjpzZWNyZXQ= failed"),
        ("user:secret@h:3128", "login with secret failed"),
        ("https://user:8/secret@h/x", "login with https://user:8/secret@h/x failed"),
        ('"https://user:secret@h/x"', "login with secret failed"),
    ],
)
def test_a_secret_is_removed_from_any_text(text: str, printed: str) -> None:
    assert Scrubber([text])(printed) == f"login with {HIDDEN} failed"


@pytest.mark.parametrize(
    ("texts", "text", "printed"),
    [
        # No rest of a longer secret is left.
        (["http://u:secret@h", "http://u:secretlonger@h"], "secretlonger secret", f"{HIDDEN} {HIDDEN}"),
        # An ordinary value of a query is no secret.
        (["https://h/x?repo=tiktoken_mirror&spr=https"], "https://h/tiktoken_mirror", "https://h/tiktoken_mirror"),
        (["https://h/x?SIG=abcd&x=0123456789abcdef"], "abcd 0123456789abcdef", f"{HIDDEN} {HIDDEN}"),
        # A short secret is like a word.
        (["http://u:abc@h", "http://u:abcd@h"], "abc abcd", f"abc {HIDDEN}"),
        (["nothing", "https://mirror.example/x"], "nothing mirror.example", "nothing mirror.example"),
        (["/volume/@shared"], "/volume/@shared/x", "/volume/@shared/x"),
    ],
)
def test_only_secrets_are_removed_from_a_text(texts: list[str], text: str, printed: str) -> None:
    assert Scrubber(texts)(text) == printed


@given(PASSWORD)
@example("QxQxQx:/ZvZvZv")
def test_no_part_of_a_password_is_shown(password: str) -> None:
    assert not parts_of(password, redacted(f"https://user:{password}@mirror.example/tiktoken"))


def parts_of(password: str, text: str) -> list[str]:
    """Return the parts of the password that the text holds."""
    return [part for part in PARTS if part in password and part in text]


@examples(max_examples=20)
@given(PASSWORD, STARTS, st.sampled_from(["", ":8x", "/x"]))
@example("QxQxQx,ZvZvZv", "http://", "/x")
@example("QxQxQx", "", "/x")
@example("QxQxQx=ZvZvZv", "http:/", "")
@example("QxQxQx", "http://", ":8x")
def test_no_part_of_a_password_is_printed_for_any_error_in_its_url(password: str, start: str, tail: str) -> None:
    url = f"{start}user:{password}@mirror.invalid{tail}"
    # The last setting is wrong, so that nothing is fetched.
    fill = ["fill", "--cache-dir", "/nowhere", "--log", "none"]
    extra = ["--extra", url, "--extra", f"{url}#sha256=abc"]
    options = (["--mirror", url], [f"--mirror={url}"], [f"--mirrors={url}"], [f"--mirror:{url}"], [url], extra)
    runs: list[tuple[list[str], str]] = [([*fill, *each], "") for each in options]
    runs += [(fill, value) for value in (url, f'"{url}"', f"http://a.example,{url}", f"{url} {url}")]
    for arguments, mirrors in [*runs, ([url], "")]:
        ended = command(*arguments, environment={"TIKTOKEN_INIT_MIRRORS": mirrors})
        assert ended.code == 2
        assert not parts_of(password, ended.stdout.decode() + ended.stderr)
