from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies

from tests.samples import OTHER, TINY, settings
from tests.vocabularies import CL100K, DEFAULT
from tiktoken_cache_init.catalogue import ENCODINGS, Encoding, encoding
from tiktoken_cache_init.errors import SettingError
from tiktoken_cache_init.settings import COMMANDS, SETTINGS, Setting, Settings, load

DIGEST = "ab" * 32
GPT2 = encoding("gpt2")
DIRECTORY = {"TIKTOKEN_CACHE_DIR": "/cache"}

VALUES: dict[str, list[tuple[str, Any]]] = {
    "cache_dir": [("/one", "/one"), ("/two", "/two")],
    "encodings": [("gpt2", (GPT2,)), ("all", ENCODINGS)],
    "extra": [],
    "sources": [("wheel", ("wheel",)), ("fetch baked", ("fetch", "baked"))],
    "mirrors": [("http://one.example", ("http://one.example",)), ("/two", ("/two",))],
    "origin": [("off", False), ("on", True)],
    "deadline": [("0.5", 0.5), ("301", 301.0)],
    "timeout": [("0.5", 0.5), ("16", 16.0)],
    "ca": [("/one", "/one"), ("two", "two")],
    "mode": [("0640", 0o640), ("0o444", 0o444)],
    "owner": [("1000", (1000, -1)), ("0:7", (0, 7))],
    "layout": [("both", "both"), ("published", "published")],
    "log": [("json", "json"), ("text", "text")],
}
"""Setting -> two different texts and their meaning."""
DEFAULTS: dict[str, Any] = {
    "encodings": (encoding("cl100k_base"), encoding("o200k_base")),
    "extra": (),
    "sources": ("fetch", "wheel"),
    "mirrors": (),
    "origin": True,
    "deadline": 300.0,
    "timeout": 15.0,
    "ca": "",
    "mode": 0o644,
    "owner": None,
    "layout": "cache",
    "log": "text",
}
EACH = pytest.mark.parametrize(
    "setting", [known for known in SETTINGS if VALUES[known.field]], ids=lambda setting: setting.field
)


def read(environment: dict[str, str] | None = None, /, **given: list[str]) -> Settings:
    return load("fill", given, False, DIRECTORY | (environment or {}))


def value(setting: Setting, environment: dict[str, str] | None = None, /, **given: list[str]) -> Any:
    return getattr(read(environment, **given), setting.field)


def refusal(environment: dict[str, str] | None = None, /, **given: list[str]) -> str:
    with pytest.raises(SettingError) as caught:
        read(environment, **given)
    text = str(caught.value)
    assert "\n" not in text
    return text


def refused(field: str, text: str) -> str:
    """Return the message for a bad value. Except for the name, it is the same for the variable and the option."""
    setting = next(setting for setting in SETTINGS if setting.field == field)
    by_variable = refusal({setting.variable: text})
    by_option = refusal(**{field: [text]})
    assert by_variable.removeprefix(f"{setting.variable}: ") == by_option.removeprefix(f"{setting.option}: ")
    assert by_variable.startswith(f"{setting.variable}: ")
    return by_variable


def test_the_tables_of_this_test_have_every_setting() -> None:
    assert {setting.field for setting in SETTINGS} == set(VALUES) == {*DEFAULTS, "cache_dir"}
    assert {setting.field for setting in SETTINGS} == set(Settings._fields) - {"command", "json", "warnings"}


def test_only_a_directory_must_be_given() -> None:
    assert read() == Settings(command="fill", json=False, cache_dir="/cache", **DEFAULTS)


@EACH
def test_a_setting_is_read_from_its_variable(setting: Setting) -> None:
    for text, meaning in VALUES[setting.field]:
        assert value(setting, {setting.variable: text}) == meaning


@EACH
def test_a_setting_is_read_from_its_option(setting: Setting) -> None:
    for text, meaning in VALUES[setting.field]:
        assert value(setting, **{setting.field: [text]}) == meaning


@EACH
def test_an_option_overrides_its_variable_even_an_invalid_one(setting: Setting) -> None:
    (text, meaning), (other, _) = VALUES[setting.field]
    for ignored in (other, '"'):
        assert value(setting, {setting.variable: ignored}, **{setting.field: [text]}) == meaning


@EACH
def test_the_last_use_of_an_option_counts_unless_its_values_add_up(setting: Setting) -> None:
    (first, one), (last, other) = VALUES[setting.field]
    found = value(setting, **{setting.field: [first, last]})
    if setting.field == "encodings":
        assert set(found) == {*one, *other}
    else:
        assert found == ((*one, *other) if setting.repeatable else other)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.field)
def test_an_empty_or_blank_variable_counts_as_unset(setting: Setting) -> None:
    if setting.field != "cache_dir":
        for nothing in ("", " "):
            assert read({setting.variable: nothing}) == read()


@EACH
def test_spaces_around_the_value_of_a_variable_are_ignored(setting: Setting) -> None:
    if setting.field != "cache_dir":
        for text, meaning in VALUES[setting.field]:
            assert value(setting, {setting.variable: f" {text}\n"}) == meaning


@EACH
@pytest.mark.parametrize("quote", ["'", '"'])
def test_quotes_around_a_value_are_refused_with_the_value_to_write(setting: Setting, quote: str) -> None:
    text = VALUES[setting.field][0][0]
    said = refusal({setting.variable: f"{quote}{text}{quote}"})
    assert said.startswith(f"{setting.variable}: ")
    assert f"write {text}" in said


def test_every_default_is_the_value_that_its_text_gives() -> None:
    for setting in SETTINGS:
        if setting.default:
            assert read({setting.variable: setting.default}) == read()


def test_every_variable_has_the_prefix_and_the_name_of_its_option() -> None:
    other = {"cache_dir": "TIKTOKEN_CACHE_DIR", "mirrors": "TIKTOKEN_INIT_MIRRORS"}
    for setting in SETTINGS:
        own = "TIKTOKEN_INIT_" + setting.option.removeprefix("--").replace("-", "_").upper()
        assert setting.variable == other.get(setting.field, own)


# Names of variables.


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("TIKTOKEN_INIT_ENCODING", "TIKTOKEN_INIT_ENCODINGS"),
        ("TIKTOKEN_INIT_MIRROR", "TIKTOKEN_INIT_MIRRORS"),
        ("TIKTOKEN_INIT_SOURCE", "TIKTOKEN_INIT_SOURCES"),
        ("TIKTOKEN_INIT_DEADLNE", "TIKTOKEN_INIT_DEADLINE"),
        ("TIKTOKEN_INIT_LOGS", "TIKTOKEN_INIT_LOG"),
        ("TIKTOKEN_CACHEDIR", "TIKTOKEN_CACHE_DIR"),
        ("TIKTOKEN_DIR", "TIKTOKEN_CACHE_DIR"),
        ("TIKTOKEN_ENCODINGS", "TIKTOKEN_INIT_ENCODINGS"),
    ],
)
@pytest.mark.parametrize("text", ["1", ""])
def test_a_misspelled_variable_is_refused_with_the_right_one(wrong: str, right: str, text: str) -> None:
    with pytest.raises(SettingError) as caught:
        load("fill", {}, False, {wrong: text})
    assert str(caught.value) == f"{wrong}: no such setting exists: write {right}"


@pytest.mark.parametrize("wrong", ["TIKTOKEN_CACHE", "TIKTOKEN_CACHEDIR", "TIKTOKEN_ENCODINGS"])
def test_a_similar_variable_of_another_program_is_a_warning_if_the_right_one_is_set(wrong: str) -> None:
    right = {"TIKTOKEN_CACHE_DIR": "/cache", "TIKTOKEN_INIT_ENCODINGS": "gpt2"}
    [warning] = load("fill", {}, False, right | {wrong: "/x"}).warnings
    assert warning.startswith(f"{wrong}: ignored, because ")
    [warning] = load("fill", {"cache_dir": ["/c"], "encodings": ["gpt2"]}, False, {wrong: "/x"}).warnings
    assert warning.endswith(" is set: remove it if it is a mistake")
    for nothing in ({}, dict.fromkeys(right, "")):
        with pytest.raises(SettingError, match=f"^{wrong}: no such setting exists: write TIKTOKEN_"):
            load("fill", {}, False, nothing | {wrong: "/x"})
    # No other program reads a name with our prefix.
    assert "TIKTOKEN_INIT_MIRROR: no such setting" in refusal(
        {"TIKTOKEN_INIT_MIRROR": "/x", "TIKTOKEN_INIT_MIRRORS": "/y"}
    )


def test_another_unknown_variable_with_our_prefix_is_a_warning() -> None:
    [warning] = read({"TIKTOKEN_INIT_XYZZY": "1"}).warnings
    assert warning == "TIKTOKEN_INIT_XYZZY: no such setting exists, so it is ignored: see --help"


def test_a_variable_that_no_program_reads_is_a_warning_that_says_so() -> None:
    [warning] = read({"TIKTOKEN_OFFLINE": "1"}).warnings
    assert "no program reads it" in warning


@pytest.mark.parametrize(
    "name",
    [
        "TIKTOKEN_INIT_SERVICE_HOST",
        "TIKTOKEN_INIT_SERVICE_PORT_HTTP",
        "TIKTOKEN_INIT_PORT",
        "TIKTOKEN_INIT_PORT_80_TCP_ADDR",
        "TIKTOKEN_INIT_METRICS_SERVICE_HOST",
        "TIKTOKEN_INIT_METRICS_PORT_9090_TCP",
        "TIKTOKEN_INIT_NAME",
        "TIKTOKEN_INIT_ENV_PATH",
    ],
)
def test_the_variables_that_kubernetes_and_docker_links_set_are_ignored(name: str) -> None:
    assert read({name: "tcp://10.0.0.1:80"}) == read()


@pytest.mark.parametrize("name", ["TIKTOKEN_RS_CACHE_DIR", "TIKTOKEN_ENCODINGS_BASE", "DATA_GYM_CACHE_DIR", "INIT"])
def test_the_variables_of_other_programs_are_ignored(name: str) -> None:
    assert read({name: "1"}) == read()


# The directory.


@pytest.mark.parametrize("command", ["fill", "verify", "export"])
def test_a_directory_must_be_named(command: str) -> None:
    with pytest.raises(SettingError, match="no directory is named: give --cache-dir DIR, or set TIKTOKEN_CACHE_DIR"):
        load(command, {}, False, {})


def test_the_list_needs_no_directory_and_shows_all_encodings_unless_some_are_named() -> None:
    assert load("list", {}, False, {}).encodings == ENCODINGS
    assert load("list", {"encodings": ["gpt2"]}, False, {}).encodings == (GPT2,)
    assert load("list", {}, False, {"TIKTOKEN_INIT_ENCODINGS": "gpt2"}).encodings == (GPT2,)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.field)
def test_a_wrong_variable_stops_only_the_commands_that_use_it(command: str, setting: Setting) -> None:
    environment = DIRECTORY | {setting.variable: "" if setting.field == "cache_dir" else "x y\0ftp://"}
    if command not in setting.commands:
        assert load(command, {}, False, environment) == load(command, {}, False, DIRECTORY)
    elif setting.field != "ca":
        with pytest.raises(SettingError, match=f"^{setting.variable}: "):
            load(command, {}, False, environment)


@pytest.mark.parametrize("text", [" /cache", "/cache ", "/cache\r", '"/cache"', "'/cache'", '"/cache', ' "/cache" '])
def test_a_stray_space_or_quote_in_the_directory_is_refused(text: str) -> None:
    said = refused("cache_dir", text)
    assert "a stray space or quote" in said
    assert said.endswith(": write /cache")


@pytest.mark.parametrize("text", ["", '""', " ", "' '"])
def test_an_empty_directory_is_refused(text: str) -> None:
    assert "it is empty" in refused("cache_dir", text)


def test_a_relative_directory_in_the_variable_is_refused_with_the_absolute_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = refusal({"TIKTOKEN_CACHE_DIR": "data/cache"})
    assert "the path is relative" in said
    assert f"write {tmp_path}/data/cache, " in said


def test_a_relative_directory_in_the_option_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read(cache_dir=["./tiktoken"]).cache_dir == f"{tmp_path}/tiktoken"


def test_a_relative_directory_is_refused_if_the_working_directory_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    said = "the working directory no longer exists: write an absolute path"
    assert refusal(cache_dir=["cache"]) == f"--cache-dir: {said}"
    assert refusal({"TIKTOKEN_CACHE_DIR": "cache"}) == f"TIKTOKEN_CACHE_DIR: {said}"
    assert read(cache_dir=["/cache"]).cache_dir == "/cache"


def test_a_tilde_is_refused_with_the_path_that_it_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert refused("cache_dir", "~/cache").endswith("write /home/me/cache")
    assert refused("cache_dir", "~no-such-user/x").endswith("write an absolute path")


@pytest.mark.parametrize("text", ["~", "data/cache"])
def test_a_relative_path_in_the_image_is_refused_with_the_usual_mount_point(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("tiktoken_cache_init.place.in_image", lambda: True)
    assert "write /cache/tiktoken" in refusal({"TIKTOKEN_CACHE_DIR": text})


@pytest.mark.parametrize("text", ["/ca\nche", "/ca\0che"])
def test_a_line_end_or_a_nul_inside_the_directory_is_refused(text: str) -> None:
    assert "a line end or a NUL" in refused("cache_dir", text)


@pytest.mark.parametrize("field", ["cache_dir", "mirrors", "ca"])
@pytest.mark.parametrize("text", ["C:/Program Files/Git/cache/tiktoken", "c:\\cache"])
def test_a_path_that_git_bash_rewrote_is_refused_with_the_remedy(field: str, text: str) -> None:
    option = next(setting for setting in SETTINGS if setting.field == field)
    for said in (refusal(**{field: [text]}), refusal({option.variable: text})):
        assert re.search(
            r": 'C:.*' is a path of Windows: in Git Bash, .* set MSYS_NO_PATHCONV=1; ", said, re.IGNORECASE
        )


# Lists of names.


@pytest.mark.parametrize("text", ["gpt2,p50k_edit", "gpt2 p50k_edit", " gpt2 ,, p50k_edit,gpt2 "])
def test_encodings_are_separated_by_commas_or_spaces_and_count_once(text: str) -> None:
    assert [known.name for known in read(encodings=[text]).encodings] == ["gpt2", "p50k_edit"]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("cl100k-base", "cl100k_base"),
        ("cl100k_bsae", "cl100k_base"),
        ("o200k_bse", "o200k_base"),
        ("O200K_BASE", "o200k_base"),
        ("cl100k_base.tiktoken", "cl100k_base"),
        ("gpt-2", "gpt2"),
    ],
)
def test_a_misspelled_encoding_is_refused_with_the_right_one(wrong: str, right: str) -> None:
    assert f"unknown encoding '{wrong}': did you mean {right}?" in refused("encodings", wrong)


@pytest.mark.parametrize(
    ("model", "right"),
    [
        ("gpt-3.5-turbo", "cl100k_base"),
        ("gpt-4", "cl100k_base"),
        ("GPT-4o", "o200k_base"),
        ("gpt-4o-mini", "o200k_base"),
        ("text-embedding-ada-002", "cl100k_base"),
        ("o1", "o200k_base"),
        ("gpt-oss-120b", "o200k_harmony"),
    ],
)
def test_a_model_in_place_of_an_encoding_is_refused_with_its_encoding(model: str, right: str) -> None:
    assert refused("encodings", model).endswith(f"'{model}' is a model, not an encoding: write {right}")


def test_an_encoding_that_resembles_no_other_is_refused_with_all_of_them() -> None:
    said = refused("encodings", "zzz")
    assert all(known.name in said for known in ENCODINGS)


def test_an_option_without_an_encoding_is_refused() -> None:
    assert "no encoding is named" in refusal(encodings=[","])


def test_an_unknown_source_is_refused_with_the_right_one() -> None:
    assert "did you mean fetch?" in refused("sources", "baked,Fetc")
    assert "one of baked, fetch, wheel" in refused("sources", "zzz")


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


@pytest.mark.parametrize(("field", "right"), [("layout", "both"), ("log", "json")])
def test_an_unknown_word_is_refused_with_the_right_one(field: str, right: str) -> None:
    assert f"did you mean {right}?" in refused(field, right.upper() + "x")


@pytest.mark.parametrize("text", ["1", "true", "YES", "0", "maybe"])
def test_a_switch_is_on_or_off(text: str) -> None:
    assert refused("origin", text).endswith(f"'{text}' is unknown: write one of on, off")


# Numbers.


@pytest.mark.parametrize("field", ["deadline", "timeout"])
def test_an_invalid_number_of_seconds_is_refused(field: str) -> None:
    for text in ("five", "5m", "5 apples", "0x10", "5,0", "1_0", "²", "٣"):
        assert refused(field, text).endswith("is not a number of seconds: write digits, such as 300")
    for text in ("0", "-1", "nan", "inf", "1.1e12", "1e999", "9" * 5000):
        assert refused(field, text).endswith("is out of range: write 0.001 to 100000000 seconds, such as 300")


@given(strategies.floats(min_value=0.001, max_value=1e8, allow_nan=False))
def test_any_number_of_seconds_is_read_as_it_is_written(number: float) -> None:
    assert read(deadline=[repr(number)]).deadline == number


@pytest.mark.parametrize("text", ["rw-r--r--", "0888", "1777", "0o", "-644", "64 4", "٠٦٤٤"])
def test_an_invalid_mode_is_refused(text: str) -> None:
    assert refused("mode", text).endswith("is not an octal mode: write digits, such as 0644")


def test_a_mode_that_keeps_the_owner_from_reading_is_refused() -> None:
    assert "keeps the owner from reading" in refused("mode", "0044")


@pytest.mark.parametrize("text", ["root", "1000:users", "1000:", ":7", "-1", "4294967295", "1:2:3", "²"])
def test_an_invalid_owner_is_refused(text: str) -> None:
    assert refused("owner", text).endswith("is not UID or UID:GID: write numbers, such as 1000:1000")


def test_an_empty_option_overrides_the_owner_in_the_environment() -> None:
    assert read({"TIKTOKEN_INIT_OWNER": "7"}, owner=[""]).owner is None


# Mirrors.


@pytest.mark.parametrize(
    "text",
    [
        "http://a.example",
        "HTTPS://a.example:8443/tiktoken?sig=1",
        "http://user:pass@[::1]:8080/",
        "file:///mnt/usb",
        "file://localhost/mnt/usb",
        "/mnt/usb stick",
        "./usb",
        "../usb",
        "usb",
    ],
)
def test_a_mirror_is_a_web_address_or_a_directory(text: str) -> None:
    assert read(mirrors=[text]).mirrors == (text,)


@pytest.mark.parametrize("between", [",", " ", ", ", "\n"])
def test_mirrors_in_the_variable_are_separated_by_commas_or_spaces_and_count_once(between: str) -> None:
    text = between.join(["http://a.example", "/b", "http://a.example"])
    assert read({"TIKTOKEN_INIT_MIRRORS": text}).mirrors == ("http://a.example", "/b")


def test_mirrors_in_the_option_are_separated_by_commas_and_count_once() -> None:
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


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("htps://a.example", "write http://, https://, file:// or a directory"),
        ("ftp://a.example", "write http://, https://, file:// or a directory"),
        ("http:/a.example/x", "'http://a.example/x' was given without the two slashes"),
        ("https:a.example", "'https://a.example' was given without the two slashes"),
        ("a.example/x", "write https://HOST, or ./NAME"),
        ("localhost:8000", "write https://HOST, or ./NAME"),
        ("http://", "names no host"),
        ("https:///x", "names no host"),
        ("https://user@/x", "names no host"),
        ("https://a.example,b.example", "has a comma in its host"),
        ("//a.example/x", "write https://HOST, or ./NAME"),
        ("user@a", "write https://HOST, or ./NAME"),
        ("http://a.example:x/", "has no valid host and port"),
        ("http://a.example:0/", "has the port 0"),
        ("http://a.exa\x07mple/", "control character"),
        ("file://", "names no directory: write file:///DIRECTORY"),
        ("file://localhost", "names no directory: write file:///DIRECTORY"),
        ("file:///", "names no directory: write file:///DIRECTORY"),
        ("http://a.example/x#y", "has a '#' in it, which a server does not see: write %23"),
        ("file:///mnt/a#b", "write %23"),
        ("file://nas/share/x", "mount its directory here, and write file:///DIRECTORY"),
    ],
)
def test_an_invalid_mirror_is_refused_with_advice(text: str, advice: str) -> None:
    assert advice in refused("mirrors", text)


# Private vocabularies.


def extra(*urls: str, digest: str = DIGEST) -> list[str]:
    return [f"{url}#sha256={digest}" for url in urls]


def test_a_private_vocabulary_is_a_url_and_a_digest_and_maybe_a_size() -> None:
    [one, two] = read(extra=[*extra("https://a.example/x.bin"), f"http://b.example/y#sha256={DIGEST}&size=7"]).extra
    assert (one.url, one.sha256, one.size, one.max_size) == ("https://a.example/x.bin", DIGEST, None, 64 << 20)
    assert (two.published_name, two.size, two.max_size) == ("y", 7, 7)


def test_private_vocabularies_in_the_variable_are_separated_by_commas_or_spaces() -> None:
    one, two, three = extra(*(f"https://a.example/{name}" for name in "xyx"))
    wanted = read({"TIKTOKEN_INIT_EXTRA": f"{one},{two} {three}"}).vocabularies
    assert [vocabulary.published_name for vocabulary in wanted[2:]] == ["x", "y"]


def test_a_digest_may_be_in_capitals() -> None:
    assert read(extra=extra("https://a.example/x", digest=DIGEST.upper())).extra[0].sha256 == DIGEST


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("https://a.example/x", "write URL#sha256=HEX"),
        (f"#sha256={DIGEST}", "write URL#sha256=HEX"),
        (f"https://a.example/x#sha1={DIGEST}", "write URL#sha256=HEX"),
        ("https://a.example/x#sha256=abc", "64 hex digits, this one has 3 characters"),
        (f"https://a.example/x#sha256={'g' * 64}", "64 hex digits"),
        (f"https://a.example/x#sha256={DIGEST}&size=1k", "'1k' is not a size"),
        (f"https://a.example/x#sha256={DIGEST}&size=0", "'0' is not a size"),
        (f"ftp://a.example/x#sha256={DIGEST}", "is not the http(s) URL of a file"),
        (f"https://a.example#sha256={DIGEST}", "is not the http(s) URL of a file"),
        (f"https:///x#sha256={DIGEST}", "is not the http(s) URL of a file"),
        (f"/mnt/x#sha256={DIGEST}", "is not the http(s) URL of a file"),
        (f"https://a.example/x/#sha256={DIGEST}", "is not the http(s) URL of a file"),
        (f"https://a.example/x/..#sha256={DIGEST}", "is not the http(s) URL of a file"),
        (f"https://a.example/x/?y#sha256={DIGEST}", "is not the http(s) URL of a file"),
    ],
)
def test_an_invalid_private_vocabulary_is_refused(text: str, advice: str) -> None:
    assert advice in refused("extra", text)


def test_one_url_with_two_digests_is_refused() -> None:
    given = [*extra("https://a.example/x"), *extra("https://a.example/x", digest="cd" * 32)]
    assert refusal(extra=given) == "https://a.example/x is given two digests: keep the right one"
    assert "is given two digests" in refusal(extra=extra(CL100K.url))


def test_a_vocabulary_of_the_catalogue_that_is_given_as_a_private_one_is_wanted_once() -> None:
    assert read(extra=extra(CL100K.url, digest=CL100K.sha256)).vocabularies == DEFAULT


def test_a_private_vocabulary_with_the_bytes_of_a_published_one_has_its_size() -> None:
    known = CL100K
    [found] = read(extra=extra("https://a.example/x", digest=known.sha256)).extra
    assert found == known._replace(url="https://a.example/x")


@pytest.mark.parametrize("layout", ["published", "both"])
def test_two_vocabularies_that_would_have_one_name_are_refused(layout: str) -> None:
    two = extra("https://a.example/x.bin", "https://b.example/x.bin")
    assert refusal(extra=two, layout=[layout]).endswith("would be called x.bin: use TIKTOKEN_INIT_LAYOUT=cache")
    assert len(read(extra=two).vocabularies) == 4


def test_the_layout_decides_which_names_are_wanted() -> None:
    keys = [known.cache_key for known in DEFAULT]
    names = [known.published_name for known in DEFAULT]
    wanted = {layout: [name for _, name in read(layout=[layout]).targets] for layout in ("cache", "published", "both")}
    assert wanted == {"cache": keys, "published": names, "both": [keys[0], names[0], keys[1], names[1]]}


@pytest.mark.parametrize("text", ["/", "//", "///", "/.", "//.", "/x/..", "/x/../..", "/proc/self/root"])
def test_the_root_directory_is_refused_in_any_spelling(text: str) -> None:
    assert "it is the root directory: write another directory" in refused("cache_dir", text)
    assert read(cache_dir=["//cache//x/"]).cache_dir == "/cache/x"


def test_a_private_vocabulary_whose_name_is_hidden_is_refused() -> None:
    # A fill would remove a file with such a name as a temporary file of a killed run.
    hidden = f"https://a.example/.tiktoken-cache-init-x#sha256={'0' * 64}"
    with pytest.raises(SettingError, match=r"is not the http\(s\) URL of a file"):
        load("fill", {"cache_dir": ["/cache"], "extra": [hidden]}, False, {})


def test_private_vocabularies_are_listed_last_under_a_name_of_their_own() -> None:
    chosen = settings("/x", TINY, extra=(OTHER,))
    assert chosen.listed == (*chosen.encodings, Encoding("(private)", (OTHER,), ()))
    assert settings("/x", TINY).listed == settings("/x", TINY).encodings
