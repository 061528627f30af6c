from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.samples import OTHER, TINY, settings
from tests.vocabularies import CL100K, DEFAULT
from tiktoken_cache_init.catalogue import ENCODINGS, Encoding, encoding
from tiktoken_cache_init.errors import SettingError
from tiktoken_cache_init.settings import COMMANDS, SETTINGS, Setting, Settings, load

DIGEST = "ab" * 32
GPT2 = encoding("gpt2")
DIRECTORY = {"TIKTOKEN_CACHE_DIR": "/cache"}

VALUES: dict[str, tuple[Any, list[tuple[str, Any]]]] = {
    "cache_dir": ("/cache", [("/one", "/one"), ("/two", "/two")]),
    "encodings": ((encoding("cl100k_base"), encoding("o200k_base")), [("gpt2", (GPT2,)), ("all", ENCODINGS)]),
    "extra": ((), []),
    "sources": (("fetch", "wheel"), [("wheel", ("wheel",)), ("fetch baked", ("fetch", "baked"))]),
    "mirrors": ((), [("http://one.example", ("http://one.example",)), ("/two", ("/two",))]),
    "origin": (True, [("off", False), ("on", True)]),
    "deadline": (300.0, [("0.001", 0.001), ("1e8", 1e8)]),
    "timeout": (15.0, [("0.5", 0.5), ("16", 16.0)]),
    "ca": ("", [("/one", "/one"), ("two", "two")]),
    "mode": (0o644, [("0400", 0o400), ("0o777", 0o777)]),
    "owner": (None, [("1000", (1000, -1)), ("0:4294967294", (0, 4294967294))]),
    "layout": ("cache", [("both", "both"), ("published", "published")]),
    "log": ("text", [("json", "json"), ("text", "text")]),
}
"""Setting -> its default, and two different texts with their meaning."""
EACH = pytest.mark.parametrize(
    "setting",
    [known for known in SETTINGS if VALUES.get(known.field, (None, []))[1]],
    ids=lambda setting: setting.field,
)


def read(environment: dict[str, str] | None = None, /, **given: list[str]) -> Settings:
    return load("fill", given, False, DIRECTORY | (environment or {}))


def value(setting: Setting, environment: dict[str, str] | None = None, /, **given: list[str]) -> Any:
    return getattr(read(environment, **given), setting.field)


def refusal(environment: dict[str, str] | None = None, /, **given: list[str]) -> str:
    with pytest.raises(SettingError) as caught:
        read(environment, **given)
    return str(caught.value)


def refused(field: str, text: str) -> str:
    """Return the message for a bad value. Except for the name, it is the same for the variable and the option."""
    setting = next(setting for setting in SETTINGS if setting.field == field)
    by_variable, by_option = refusal({setting.variable: text}), refusal(**{field: [text]})
    reason = by_option.removeprefix(f"{setting.option}: ")
    assert by_variable == f"{setting.variable}: {reason}"
    return reason


def test_each_field_has_its_setting_and_its_default() -> None:
    fields = {setting.field for setting in SETTINGS}
    assert fields == set(Settings._fields) - {"command", "json", "warnings"}
    assert fields == set(VALUES), "add the setting to VALUES, with its default and two values"
    assert read() == Settings("fill", json=False, **{field: default for field, (default, _) in VALUES.items()})


@EACH
def test_a_setting_is_read_from_its_option_or_else_from_its_variable(setting: Setting) -> None:
    (text, meaning), (other, _) = VALUES[setting.field][1]
    for written, expected in VALUES[setting.field][1]:
        assert value(setting, {setting.variable: written}) == expected
        assert value(setting, **{setting.field: [written]}) == expected
    for ignored in (other, '"'):
        assert value(setting, {setting.variable: ignored}, **{setting.field: [text]}) == meaning


@EACH
def test_the_last_use_of_an_option_counts_unless_its_values_add_up(setting: Setting) -> None:
    (first, one), (last, other) = VALUES[setting.field][1]
    found = value(setting, **{setting.field: [first, last]})
    if setting.field == "encodings":
        assert set(found) == {*one, *other}
    else:
        assert found == ((*one, *other) if setting.repeatable else other)


@EACH
def test_spaces_around_a_variable_are_ignored_unless_consumers_read_it_and_quotes_refused(setting: Setting) -> None:
    text, meaning = VALUES[setting.field][1][0]
    for quote in "'\"":
        assert f"write {text}" in refusal({setting.variable: f"{quote}{text}{quote}"})
    if setting.field != "cache_dir":
        assert value(setting, {setting.variable: f" {text}\n"}) == meaning
        assert read({setting.variable: ""}) == read({setting.variable: " "}) == read()


# Names of variables.


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("TIKTOKEN_INIT_LOGS", "TIKTOKEN_INIT_LOG"),
        ("TIKTOKEN_INIT_encodings", "TIKTOKEN_INIT_ENCODINGS"),
        ("TIKTOKEN_ENCODINGS", "TIKTOKEN_INIT_ENCODINGS"),
        ("TIKTOKEN_CACHE", "TIKTOKEN_CACHE_DIR"),
        ("TIKTOKEN_CACHEDIR", "TIKTOKEN_CACHE_DIR"),
        ("tiktoken_cache_dir", "TIKTOKEN_CACHE_DIR"),
    ],
)
def test_a_misspelled_variable_is_refused_unless_another_program_may_read_it(wrong: str, right: str) -> None:
    said = f"{wrong}: no such setting exists: write {right}"
    for environment in ({wrong: "1"}, {wrong: ""}, {wrong: "1", right: ""}):
        with pytest.raises(SettingError, match=f"^{said}$"):
            load("fill", {}, False, environment)
    set_too = {"TIKTOKEN_CACHE_DIR": "/c", "TIKTOKEN_INIT_ENCODINGS": "gpt2", "TIKTOKEN_INIT_LOG": "text", wrong: "/x"}
    if wrong.startswith("TIKTOKEN_INIT_"):
        assert refusal(set_too) == said
        return
    given = {"cache_dir": ["/c"], "encodings": ["gpt2"]}
    for result in (load("fill", {}, False, set_too), load("fill", given, False, {wrong: "/x"})):
        [warning] = result.warnings
        assert warning.startswith(f"{wrong}: ignored, because --")
        assert warning.endswith(f" or {right} is set: remove it if it is a mistake")


def test_another_unknown_variable_is_a_warning_if_it_has_the_prefix() -> None:
    # Kubernetes sets a variable such as the second for a service with this name.
    for name in ("tiktoken_init_xyzzy", "TIKTOKEN_INIT_PORT"):
        assert read({name: "x"}).warnings == (f"{name}: no such setting exists, so it is ignored: see --help",)
    for name in ("TIKTOKEN_RS_CACHE_DIR", "TIKTOKEN_ENCODINGS_BASE", "DATA_GYM_CACHE_DIR", "NOTIKTOKEN_INIT_LOG"):
        assert read({name: "x"}) == read()


# Commands and defaults.


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.field)
def test_a_wrong_variable_stops_only_the_commands_that_use_it(command: str, setting: Setting) -> None:
    environment = DIRECTORY | {setting.variable: "" if setting.field == "cache_dir" else "x y\0ftp://"}
    if command not in setting.commands:
        assert load(command, {}, False, environment) == load(command, {}, False, DIRECTORY)
    elif setting.field != "ca":
        with pytest.raises(SettingError, match=f"^{setting.variable}: "):
            load(command, {}, False, environment)


@pytest.mark.parametrize("command", COMMANDS)
def test_only_the_commands_for_files_need_a_directory_and_only_the_list_wants_all_encodings(command: str) -> None:
    if command in ("fill", "verify", "export"):
        said = "^no directory is named: give --cache-dir DIR, or set TIKTOKEN_CACHE_DIR$"
        with pytest.raises(SettingError, match=said):
            load(command, {}, False, {})
    else:
        assert load(command, {}, False, {}).cache_dir == ""
    wanted = ENCODINGS if command == "list" else VALUES["encodings"][0]
    assert load(command, {}, False, DIRECTORY).encodings == wanted
    assert load(command, {"encodings": ["gpt2"]}, False, DIRECTORY).encodings == (GPT2,)


def test_the_default_sources_are_those_available_in_the_image_or_on_a_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read().sources == ("fetch", "wheel")
    monkeypatch.setattr("tiktoken_cache_init.place.BAKED_DIR", str(tmp_path))
    assert read().sources == ("baked", "fetch", "wheel")
    monkeypatch.setattr("tiktoken_cache_init.place.in_image", lambda: True)
    assert read().sources == ("baked", "fetch")


@pytest.mark.parametrize(
    ("baked", "wanted"),
    [
        ("cl100k_base", "cl100k_base"),
        ("gpt2,o200k_base", "o200k_base,o200k_harmony,gpt2"),
        ("all", "all"),
        ("", "cl100k_base,o200k_base"),
    ],
)
@pytest.mark.parametrize("variable", [{}, {"TIKTOKEN_INIT_ENCODINGS": " "}])
def test_the_default_encodings_are_those_whose_files_are_all_baked_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, baked: str, wanted: str, variable: dict[str, str]
) -> None:
    monkeypatch.setattr("tiktoken_cache_init.place.BAKED_DIR", str(tmp_path))
    # One of the two files of gpt2 is not enough.
    for vocabulary in read(encodings=[baked]).vocabularies if baked else read(encodings=["gpt2"]).vocabularies[:1]:
        (tmp_path / vocabulary.cache_key).touch()
    assert read(variable).encodings == read(encodings=[wanted]).encodings
    assert read(variable, encodings=["p50k_base"]).encodings == read(encodings=["p50k_base"]).encodings


# Values.

SECONDS = {"is not a number of seconds from 0.001 to 100000000: write digits": ["5m", "0", "nan", "1.1e8"]}
SHA256 = f"#sha256={DIGEST}"
REFUSED: dict[str, dict[str, list[str]]] = {
    "cache_dir": {
        ": write /cache": [" /cache", "/cache\r\n", '"/cache"', "'/cache"],
        "it is empty: write ": ["", '""'],
        "is not expanded here: write an absolute path": ["~/cache", "$HOME/cache"],
        "it is the root directory: write another directory": ["/", "//", "/x/../..", "link"],
        "Git Bash, which rewrites paths, set MSYS_NO_PATHCONV=1; ": ["C:/Program Files/Git/cache", "c:\\cache"],
    },
    "encodings": {
        "did you mean cl100k_base?": ["cl100k-base", "cl100k_bsae", "cl100k_base.tiktoken", "CL100K"],
        "is a model, not an encoding: write o200k_base": ["GPT-4o", "gpt-4o-mini"],
        f"write one or more of {', '.join(known.name for known in ENCODINGS)}, or 'all'": ["zzz", ","],
    },
    "sources": {"'Fetch' is unknown: write one of baked, fetch, wheel": ["baked,Fetch"], "',' is unknown": [","]},
    "layout": {"write one of cache, published, both": ["Both"]},
    "log": {"write one of text, json": ["JSON"]},
    "origin": {"write one of on, off": ["true"]},
    "deadline": SECONDS,
    "timeout": SECONDS,
    "mode": {": write 0400 to 0777, such as 0644": ["rw-r--r--", "1000", "-644", "0377"]},
    "owner": {
        "write numbers, such as 1000:1000": ["root", "1000:users", "1000:", ":7", "-1", "4294967295", "1:2:3", "²"]
    },
    "ca": {"is a path of Windows": ["C:/Git/ca.pem"]},
    "mirrors": {
        "is not the URL or the path of a mirror: write https://HOST[:PORT]/PATH, or /DIRECTORY, or ./DIRECTORY": [
            *("htps://a.example", "http:/a.example/x", "a.example/x", "localhost:8000", "//a.example/x", "user@a"),
            *("file://", "file://localhost", "file://nas/share/x"),
            *("http://", "https://user@/x", "https://a,b", "http://a.example:x/", "http://[x"),
            *("http://a.exa\x07mple/", "HTTPS://a.example/x#y"),
        ],
        "is a path of Windows": ["C:/handed-in"],
    },
    "extra": {
        "write https://HOST/PATH#sha256=HEX": [
            *("https://a.example/x", SHA256, f"https://a.example/x#sha1={DIGEST}", f"https://a.example/x{SHA256[:-1]}"),
            *(f"https://a.example/x{SHA256}&size=0", f"ftp://a.example/x{SHA256}", f"https:///x{SHA256}"),
            *(f"https://a.example{SHA256}", f"https://a.example/x/?y{SHA256}"),
            # A fill would remove a file with such a name as a temporary file of a killed run.
            f"https://a.example/.tiktoken-cache-init-x{SHA256}",
        ]
    },
}
"""Setting -> part of the message -> texts that are refused with it."""


@pytest.mark.parametrize(
    ("field", "advice"), [(field, advice) for field, parts in REFUSED.items() for advice in parts], ids=str
)
def test_an_invalid_value_is_refused_with_what_to_write(field: str, advice: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    for text in REFUSED[field][advice]:
        assert advice in refused(field, f"{tmp_path}/link" if text == "link" else text)


def test_a_relative_directory_becomes_absolute_in_the_option_and_is_refused_in_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    assert read(cache_dir=[".//tiktoken/"]).cache_dir == f"{tmp_path}/gone/tiktoken"
    assert read(cache_dir=["//cache"]).cache_dir == "/cache"
    for in_image, meant in ((False, tmp_path / "gone/data/cache"), (True, "/cache/tiktoken")):
        monkeypatch.setattr("tiktoken_cache_init.place.in_image", lambda answer=in_image: answer)
        said = refusal({"TIKTOKEN_CACHE_DIR": "data/cache"})
        assert f"the path is relative, and each program has its own working directory: write {meant}, or" in said
    (tmp_path / "gone").rmdir()
    assert "the working directory no longer exists: write an absolute path" in refused("cache_dir", "cache")


@pytest.mark.parametrize("text", ["gpt2,p50k_edit", "gpt2 p50k_edit", " gpt2 ,, p50k_edit,gpt2 "])
def test_encodings_are_separated_by_commas_or_spaces_and_count_once(text: str) -> None:
    assert [known.name for known in read(encodings=[text]).encodings] == ["gpt2", "p50k_edit"]


# Mirrors and private vocabularies.


def extra(*urls: str, digest: str = DIGEST) -> list[str]:
    return [f"{url}#sha256={digest}" for url in urls]


@pytest.mark.parametrize(
    "text",
    [
        *("http://a.example", "HTTPS://a.example:8443/tiktoken?sig=1", "http://user:pass@[::1]:8080/"),
        *("file:///mnt/usb", "FILE://localhost/mnt/usb", "/mnt/usb stick", "./usb", "usb"),
    ],
)
def test_a_mirror_is_a_web_address_or_a_directory(text: str) -> None:
    assert read(mirrors=[text]).mirrors == (text,)


def test_mirrors_and_private_vocabularies_are_separated_by_commas_or_spaces_and_count_once() -> None:
    for between in (",", " ", ", ", "\n"):
        text = between.join(["http://a.example", "/b", "http://a.example"])
        assert read({"TIKTOKEN_INIT_MIRRORS": text}).mirrors == ("http://a.example", "/b")
        text = between.join(extra("https://a.example/x", "https://a.example/y", "https://a.example/x"))
        wanted = read({"TIKTOKEN_INIT_EXTRA": text}).vocabularies
        assert [vocabulary.published_name for vocabulary in wanted[2:]] == ["x", "y"]
    assert read(mirrors=["http://a.example,/b,", " /c d, /b", ""]).mirrors == ("http://a.example", "/b", "/c d")


@pytest.mark.parametrize(
    "url", ["https://h.example/a,b", "https://user:pa,ss@h.example/x", "https://h.example/x?sig=a,b"]
)
def test_a_comma_inside_a_url_does_not_separate(url: str) -> None:
    mirrors = (url, "/b", "./c,d", "HTTP://e.example")
    assert read(mirrors=[",".join(mirrors)]).mirrors == mirrors
    assert read({"TIKTOKEN_INIT_MIRRORS": f"{', '.join(mirrors)},"}).mirrors == mirrors
    two = extra(url, "https://h.example/x")
    found = read({"TIKTOKEN_INIT_EXTRA": ",".join(two)}).extra
    assert [f"{vocabulary.url}#sha256={DIGEST}" for vocabulary in found] == two


def test_a_private_vocabulary_is_a_url_and_a_digest_and_maybe_a_size() -> None:
    [one] = read(extra=extra("https://a.example/x.bin", digest=DIGEST.upper())).extra
    [two] = read(extra=[f"http://b.example/y#sha256={DIGEST}&size=7"]).extra
    assert (one.url, one.sha256, one.size, one.max_size) == ("https://a.example/x.bin", DIGEST, None, 64 << 20)
    assert (two.published_name, two.size, two.max_size) == ("y", 7, 7)
    # Those of the catalogue are wanted once, and with their size.
    assert read(extra=extra(CL100K.url, digest=CL100K.sha256)).vocabularies == DEFAULT
    [same_bytes] = read(extra=extra("https://a.example/x", digest=CL100K.sha256)).extra
    assert same_bytes == CL100K._replace(url="https://a.example/x")


def test_two_vocabularies_with_one_url_or_one_name_are_refused() -> None:
    assert (
        refusal(extra=extra(CL100K.url), encodings=["gpt2"]) == f"{CL100K.url} is given two digests: keep the right one"
    )
    two = extra("https://a.example/x.bin", "https://b.example/x.bin")
    said = "two vocabularies would be called x.bin: use TIKTOKEN_INIT_LAYOUT=cache"
    assert refusal(extra=two, layout=["published"]) == said
    assert len(read(extra=two).vocabularies) == 4


def test_the_layout_decides_which_names_are_wanted() -> None:
    keys = [known.cache_key for known in DEFAULT]
    names = [known.published_name for known in DEFAULT]
    wanted = {
        layout: [path.removeprefix("/cache/") for _, path in read(layout=[layout]).targets]
        for layout in ("cache", "published", "both")
    }
    assert wanted == {"cache": keys, "published": names, "both": [keys[0], names[0], keys[1], names[1]]}


def test_private_vocabularies_are_listed_last_under_a_name_of_their_own() -> None:
    chosen = settings("/x", TINY, extra=(OTHER,))
    assert chosen.listed == (*chosen.encodings, Encoding("(private)", (OTHER,), ()))
    assert chosen._replace(extra=()).listed == chosen.encodings
