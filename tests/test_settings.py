from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies

from tests.samples import ROOT
from tiktoken_cache_init import surroundings
from tiktoken_cache_init.catalogue import ENCODINGS, VOCABULARIES
from tiktoken_cache_init.errors import BadSetting
from tiktoken_cache_init.settings import SETTINGS, Setting, Settings, load

DIGEST = "ab" * 32
FOLDER = {"TIKTOKEN_CACHE_DIR": "/cache"}

# For each setting: two texts that differ, and what each of them means.
VALUES: dict[str, list[tuple[str, Any]]] = {
    "cache_dir": [("/one", "/one"), ("/two", "/two")],
    "encodings": [("gpt2", (ENCODINGS[-1],)), ("all", ENCODINGS)],
    "extra": [],
    "extra_limit": [("1", 1), ("67108865", 67108865)],
    "sources": [("wheel", ("wheel",)), ("fetch baked", ("fetch", "baked"))],
    "baked_dir": [("/one", "/one"), ("two", "two")],
    "mirrors": [("http://one.example", ("http://one.example",)), ("/two", ("/two",))],
    "origin": [("off", False), ("on", True)],
    "deadline": [("0.5", 0.5), ("301", 301.0)],
    "connect_timeout": [("0.5", 0.5), ("6", 6.0)],
    "stall_timeout": [("0.5", 0.5), ("16", 16.0)],
    "min_speed": [("0", 0.0), ("1e3", 1000.0)],
    "retries": [("1", 1), ("6", 6)],
    "ca": [("/one", "/one"), ("two", "two")],
    "mode": [("0640", 0o640), ("0o444", 0o444)],
    "dir_mode": [("2755", 0o2755), ("0700", 0o700)],
    "owner": [("1000", (1000, None)), ("0:7", (0, 7))],
    "layout": [("both", "both"), ("published", "published")],
    "reader": [("1000", (1000, None)), ("0:7", (0, 7))],
    "log": [("json", "json"), ("text", "text")],
}
DEFAULTS: dict[str, Any] = {
    "encodings": ENCODINGS[:2],
    "extra": (),
    "extra_limit": 67108864,
    "sources": ("fetch", "wheel"),
    "baked_dir": "/vocabularies",
    "mirrors": (),
    "origin": True,
    "deadline": 300.0,
    "connect_timeout": 5.0,
    "stall_timeout": 15.0,
    "min_speed": 1024.0,
    "retries": 5,
    "ca": "",
    "mode": 0o644,
    "dir_mode": 0o755,
    "owner": None,
    "layout": "cache",
    "reader": None,
    "log": "text",
}
EACH = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.field)
EACH_WITH_VALUES = pytest.mark.parametrize(
    "setting", [known for known in SETTINGS if VALUES[known.field]], ids=lambda setting: setting.field
)


def named(field: str) -> Setting:
    return next(setting for setting in SETTINGS if setting.field == field)


def refusal(arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> str:
    with pytest.raises(BadSetting) as caught:
        load(arguments, FOLDER if environment is None else environment)
    text = str(caught.value)
    assert "\n" not in text
    return text


def refused(field: str, text: str) -> str:
    """Return the message for a bad value, which is the same for the variable and, but for the name, for the flag."""
    setting = named(field)
    by_variable = refusal(environment=FOLDER | {setting.variable: text})
    by_flag = refusal([f"{setting.flag}={text}"])
    assert by_variable.startswith(f"{setting.variable}: ")
    assert by_flag.startswith(f"{setting.flag}: ")
    assert by_variable.removeprefix(setting.variable) == by_flag.removeprefix(setting.flag)
    return by_variable


@pytest.fixture(autouse=True)
def _on_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The image is known by its folder of baked vocabularies, which the machine of the test run may have or not."""
    isdir = os.path.isdir
    monkeypatch.setattr(os.path, "isdir", lambda path: path != "/vocabularies" and isdir(path))


def test_the_table_here_knows_every_setting() -> None:
    assert {setting.field for setting in SETTINGS} == set(VALUES) == {*DEFAULTS, "cache_dir"}
    assert {setting.field for setting in SETTINGS} == set(Settings._fields) - {"command", "json"}


def test_nothing_but_a_folder_must_be_given() -> None:
    assert load([], FOLDER) == Settings(command="fill", json=False, cache_dir="/cache", **DEFAULTS)


@EACH_WITH_VALUES
def test_a_setting_is_read_from_its_variable(setting: Setting) -> None:
    for text, value in VALUES[setting.field]:
        assert getattr(load([], FOLDER | {setting.variable: text}), setting.field) == value


@EACH_WITH_VALUES
def test_a_setting_is_read_from_its_flag(setting: Setting) -> None:
    for text, value in VALUES[setting.field]:
        assert getattr(load(["--cache-dir=x", f"{setting.flag}={text}"], {}), setting.field) == value


@EACH_WITH_VALUES
def test_a_flag_wins_over_its_variable(setting: Setting) -> None:
    (text, value), (other, _) = VALUES[setting.field]
    assert getattr(load([setting.flag, text], FOLDER | {setting.variable: other}), setting.field) == value


@EACH_WITH_VALUES
def test_a_flag_wins_over_a_variable_that_makes_no_sense(setting: Setting) -> None:
    text, value = VALUES[setting.field][0]
    assert getattr(load([setting.flag, text], FOLDER | {setting.variable: '"'}), setting.field) == value


@EACH_WITH_VALUES
def test_the_last_use_of_a_flag_counts_unless_it_is_repeatable(setting: Setting) -> None:
    (first, one), (last, other) = VALUES[setting.field]
    value = getattr(load(["--cache-dir=x", setting.flag, first, setting.flag, last], {}), setting.field)
    assert value == ((*one, *other) if setting.each else other)


@EACH
def test_an_empty_or_blank_variable_counts_as_unset(setting: Setting) -> None:
    if setting.field != "cache_dir":
        for nothing in ("", " "):
            assert load([], FOLDER | {setting.variable: nothing}) == load([], FOLDER)


@EACH
def test_spaces_around_a_variable_s_value_do_no_harm(setting: Setting) -> None:
    if setting.field != "cache_dir":
        for text, value in VALUES[setting.field]:
            assert getattr(load([], FOLDER | {setting.variable: f" {text}\n"}), setting.field) == value


@EACH
@pytest.mark.parametrize("quote", ["'", '"'])
def test_quotes_around_a_value_are_refused_with_the_value_that_is_meant(setting: Setting, quote: str) -> None:
    text = VALUES[setting.field][0][0] if VALUES[setting.field] else "x"
    said = refusal(environment=FOLDER | {setting.variable: f"{quote}{text}{quote}"})
    assert said.startswith(f"{setting.variable}: ")
    assert f"write {text}" in said or f"write '{text}'" in said


# Names.


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("TIKTOKEN_INIT_ENCODING", "TIKTOKEN_INIT_ENCODINGS"),
        ("TIKTOKEN_INIT_MIRROR", "TIKTOKEN_INIT_MIRRORS"),
        ("TIKTOKEN_INIT_SOURCE", "TIKTOKEN_INIT_SOURCES"),
        ("TIKTOKEN_INIT_DEADLNE", "TIKTOKEN_INIT_DEADLINE"),
        ("TIKTOKEN_INIT_CACHE_DIR", "TIKTOKEN_CACHE_DIR"),
        ("TIKTOKEN_INIT_CONNECTTIMEOUT", "TIKTOKEN_INIT_CONNECT_TIMEOUT"),
        ("TIKTOKEN_INIT_LOGS", "TIKTOKEN_INIT_LOG"),
    ],
)
def test_a_misspelled_variable_is_answered_with_the_right_one(wrong: str, right: str) -> None:
    assert refusal(environment=FOLDER | {wrong: "1"}) == f"{wrong}: no such setting exists; did you mean {right}?"


def test_a_variable_that_is_like_no_other_is_answered_with_the_way_to_the_manual() -> None:
    assert "see --help" in refusal(environment=FOLDER | {"TIKTOKEN_INIT_XYZZY": "1"})


def test_a_misspelled_variable_is_refused_even_if_it_is_empty() -> None:
    assert "did you mean" in refusal(environment=FOLDER | {"TIKTOKEN_INIT_ENCODING": ""})


@pytest.mark.parametrize(
    "name",
    [
        "TIKTOKEN_INIT_SERVICE_HOST",
        "TIKTOKEN_INIT_SERVICE_PORT",
        "TIKTOKEN_INIT_SERVICE_PORT_HTTP",
        "TIKTOKEN_INIT_PORT",
        "TIKTOKEN_INIT_PORT_80_TCP",
        "TIKTOKEN_INIT_PORT_80_TCP_ADDR",
        "TIKTOKEN_INIT_PORT_80_TCP_PORT",
        "TIKTOKEN_INIT_PORT_80_TCP_PROTO",
        "TIKTOKEN_INIT_METRICS_SERVICE_HOST",
        "TIKTOKEN_INIT_NAME",
        "TIKTOKEN_INIT_ENV_PATH",
        "TIKTOKEN_INIT_METRICS_PORT_9090_TCP",
    ],
)
def test_what_kubernetes_says_of_a_service_of_our_name_is_no_setting(name: str) -> None:
    assert load([], FOLDER | {name: "tcp://10.0.0.1:80"}) == load([], FOLDER)


@pytest.mark.parametrize("name", ["TIKTOKEN_INIT_PORTS", "TIKTOKEN_INIT_HOST"])
def test_what_only_looks_like_a_service_s_variable_is_refused(name: str) -> None:
    assert "no such setting" in refusal(environment=FOLDER | {name: "1"})


@pytest.mark.parametrize("name", ["TIKTOKEN_OFFLINE", "TIKTOKEN_RS_CACHE_DIR", "DATA_GYM_CACHE_DIR", "INIT"])
def test_the_variables_of_others_are_left_alone(name: str) -> None:
    assert load([], FOLDER | {name: "1"}) == load([], FOLDER)


# The folder.


@pytest.mark.parametrize("command", ["fill", "verify", "export"])
def test_a_folder_must_be_named(command: str) -> None:
    assert refusal([command], {}) == "no folder named: give --cache-dir DIR, or set TIKTOKEN_CACHE_DIR"


def test_the_catalogue_needs_no_folder() -> None:
    assert load(["list"], {}).cache_dir == ""


@pytest.mark.parametrize("text", [" /cache", "/cache ", "/cache\r", '"/cache"', "'/cache'", '"/cache', ' "/cache" '])
def test_a_stray_space_or_quote_in_the_folder_is_refused(text: str) -> None:
    assert "a stray space or quote: write '/cache'" in refused("cache_dir", text)


@pytest.mark.parametrize("text", ["", '""', " ", "' '"])
def test_an_empty_folder_is_refused_as_what_it_is(text: str) -> None:
    assert "it is empty" in refused("cache_dir", text)


def test_a_relative_folder_in_the_variable_is_refused_with_the_absolute_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = refusal(environment={"TIKTOKEN_CACHE_DIR": "data/cache"})
    assert "a relative folder" in said
    assert f"'{tmp_path}/data/cache'" in said


def test_a_relative_folder_is_refused_even_where_the_working_directory_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert "a relative folder" in refusal(environment={"TIKTOKEN_CACHE_DIR": "cache"})


def test_a_relative_folder_is_fine_as_a_flag() -> None:
    assert load(["--cache-dir", "./tiktoken"], {}).cache_dir == "./tiktoken"


def test_a_tilde_is_refused_with_what_it_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert "write '/home/me/cache'" in refused("cache_dir", "~/cache")


def test_a_tilde_that_stands_for_nobody_is_refused_and_not_recommended() -> None:
    assert "write an absolute path" in refused("cache_dir", "~nobody-at-all/x")


def test_a_tilde_in_the_image_is_refused_with_the_folder_that_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surroundings, "DEFAULT_BAKED_DIR", str(tmp_path))
    assert "write '/cache/tiktoken'" in refused("cache_dir", "~")


def test_a_line_end_inside_the_folder_is_refused() -> None:
    assert "a line end" in refused("cache_dir", "/ca\nche")


# Lists of names.


@pytest.mark.parametrize("text", ["gpt2,p50k_edit", "gpt2 p50k_edit", " gpt2 ,, p50k_edit,gpt2 "])
def test_encodings_are_parted_by_comma_or_space_and_count_once(text: str) -> None:
    assert [known.name for known in load(["--encodings", text], FOLDER).encodings] == ["gpt2", "p50k_edit"]


def test_an_unknown_encoding_is_refused_with_the_right_one() -> None:
    assert "did you mean 'cl100k_base'" in refused("encodings", "cl100k_bsae")
    assert "write 'o200k_base'" in refused("encodings", "gpt-4o")


def test_an_unknown_encoding_beside_all_is_refused_too() -> None:
    assert "did you mean 'cl100k_base'" in refused("encodings", "all,cl100k_bsae")


@pytest.mark.parametrize("field", ["encodings", "sources"])
def test_a_flag_that_names_nothing_is_refused(field: str) -> None:
    assert "named: write" in refusal([f"{named(field).flag}=,"])


def test_an_unknown_source_is_refused_with_the_right_one() -> None:
    assert "did you mean 'fetch'" in refused("sources", "baked,Fetc")
    assert "one of baked, fetch, wheel" in refused("sources", "zzz")


def test_the_image_is_known_by_its_baked_vocabularies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = ["--baked-dir", str(tmp_path / "none")]
    assert load([], FOLDER).sources == ("fetch", "wheel")
    assert load(named, FOLDER).sources == ("baked", "fetch", "wheel")
    monkeypatch.setattr(surroundings, "DEFAULT_BAKED_DIR", str(tmp_path))
    assert load([], FOLDER).sources == ("baked", "fetch")
    assert load(named, FOLDER).sources == ("baked", "fetch")


@pytest.mark.parametrize("field", ["layout", "log"])
def test_an_unknown_choice_is_refused_with_the_right_one(field: str) -> None:
    right = VALUES[field][0][0]
    assert f"did you mean '{right}'" in refused(field, right.upper() + "x")


@pytest.mark.parametrize(
    ("text", "meant"), [("1", "on"), ("true", "on"), ("YES", "on"), ("0", "off"), ("False", "off"), ("no", "off")]
)
def test_another_word_for_on_or_off_is_refused_with_the_right_one(text: str, meant: str) -> None:
    assert f"write '{meant}'" in refused("origin", text)


def test_a_switch_is_on_or_off() -> None:
    assert "write 'on' or 'off'" in refused("origin", "perhaps")


# Numbers.


@pytest.mark.parametrize(
    ("field", "text", "right"),
    [
        ("deadline", "5m", "300"),
        ("deadline", "90s", "90"),
        ("stall_timeout", "1H", "3600"),
        ("extra_limit", "64MiB", "67108864"),
        ("extra_limit", "64mb", "67108864"),
        ("extra_limit", "64M", "67108864"),
        ("extra_limit", "8 k", "8192"),
        ("min_speed", "2KiB", "2048"),
    ],
)
def test_a_unit_behind_a_number_is_refused_with_the_number_that_is_meant(field: str, text: str, right: str) -> None:
    assert refused(field, text).endswith(f"write '{right}'")


@pytest.mark.parametrize(("field", "text"), [("deadline", "5k"), ("deadline", "1MiB"), ("retries", "5m")])
def test_a_unit_of_something_else_is_not_converted(field: str, text: str) -> None:
    assert refused(field, text).endswith("write digits only")


@pytest.mark.parametrize("text", ["five", "5 apples", "1.5m", "0x10", "5,0", "1_0", "²", "٣", "²s", f"{'9' * 5000}s"])
def test_what_is_no_number_is_refused(text: str) -> None:
    assert "is not a number of seconds: write digits only" in refused("deadline", text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1.1e12", "1e999"])
def test_a_time_that_nobody_can_mean_is_refused(text: str) -> None:
    assert "is out of range" in refused("deadline", text)


@pytest.mark.parametrize(("field", "text"), [("retries", "0"), ("extra_limit", "0"), ("min_speed", "-1")])
def test_a_number_below_the_least_is_refused(field: str, text: str) -> None:
    assert "is out of range" in refused(field, text)


@pytest.mark.parametrize("field", ["retries", "extra_limit"])
def test_a_count_is_whole(field: str) -> None:
    assert "is not a number" in refused(field, "1.5")


@given(strategies.floats(min_value=0.001, max_value=1e11, allow_nan=False))
def test_a_number_means_what_it_says(number: float) -> None:
    assert load(["--deadline", repr(number)], FOLDER).deadline == number


# Modes and owners.


@pytest.mark.parametrize("text", ["rw-r--r--", "0888", "1777", "", "0o", "-644", "64 4"])
def test_what_is_no_mode_of_a_file_is_refused(text: str) -> None:
    if text:
        assert "is not an octal mode: write digits as in '0644'" in refused("mode", text)
    else:
        assert "is not an octal mode" in refusal(["--mode="])


def test_a_folder_may_have_the_set_group_bit_and_a_file_may_not() -> None:
    assert load(["--dir-mode", "2775"], FOLDER).dir_mode == 0o2775
    assert "is not an octal mode" in refused("dir_mode", "17777")


@pytest.mark.parametrize("field", ["mode", "dir_mode"])
def test_a_mode_that_keeps_its_owner_out_is_refused(field: str) -> None:
    assert "would keep the owner from reading" in refused(field, "0044")


def test_a_folder_that_its_owner_cannot_enter_is_refused() -> None:
    assert "owner" in refused("dir_mode", "0644")


@pytest.mark.parametrize("field", ["owner", "reader"])
@pytest.mark.parametrize("text", ["root", "1000:users", "1000:", ":7", "-1", "4294967295", "1:2:3", "²"])
def test_what_is_no_owner_is_refused(field: str, text: str) -> None:
    assert "is not UID or UID:GID in digits" in refused(field, text)


def test_an_owner_of_the_environment_can_be_taken_back() -> None:
    assert load(["--owner="], FOLDER | {"TIKTOKEN_INIT_OWNER": "7"}).owner is None


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
def test_a_mirror_is_a_web_address_or_a_folder(text: str) -> None:
    assert load(["--mirror", text], FOLDER).mirrors == (text,)


@pytest.mark.parametrize("between", [",", " ", ", ", "\n"])
def test_mirrors_in_the_variable_are_parted_by_comma_or_space_and_count_once(between: str) -> None:
    text = between.join(["http://a.example", "/b", "http://a.example"])
    assert load([], FOLDER | {"TIKTOKEN_INIT_MIRRORS": text}).mirrors == ("http://a.example", "/b")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("htps://a.example", "did you mean 'https://'?"),
        ("ftp://a.example", "a mirror is http://, https://, file:// or a folder"),
        ("http:/a.example/x", "write 'http://a.example/x'"),
        ("https:a.example", "write 'https://a.example'"),
        ("a.example/x", "write 'https://a.example/x'"),
        ("localhost:8000", "write 'https://localhost:8000'"),
        ("http://", "names no host"),
        ("https:///x", "names no host"),
        ("https://user@/x", "names no host"),
        ("http://a.example:x/", "has no valid host and port"),
        ("http://a.example:0/", "has the port 0"),
        ("http://a.exa\x07mple/", "control character"),
        ("file://nas/share/x", "mount its folder here, and write 'file:///FOLDER'"),
    ],
)
def test_what_is_no_mirror_is_refused_with_what_is_meant(text: str, advice: str) -> None:
    assert advice in refused("mirrors", text)


# Private vocabularies.


def extra(*urls: str, digest: str = DIGEST) -> list[str]:
    return [word for url in urls for word in ("--extra", f"{url}#sha256={digest}")]


def test_a_private_vocabulary_is_a_url_and_a_digest() -> None:
    [one, two] = load([*extra("https://a.example/x.bin", "http://b.example/y"), "--extra-limit", "7"], FOLDER).extra
    assert (one.url, one.sha256, one.size, one.limit) == ("https://a.example/x.bin", DIGEST, None, 7)
    assert two.published_name == "y"


def test_private_vocabularies_in_the_variable_are_parted_by_comma_or_space() -> None:
    entries = [f"https://a.example/{name}#sha256={DIGEST}" for name in "xyx"]
    chosen = load([], FOLDER | {"TIKTOKEN_INIT_EXTRA": f"{entries[0]},{entries[1]} {entries[2]}"})
    assert [pin.published_name for pin in chosen.vocabularies[2:]] == ["x", "y"]


def test_a_digest_may_be_in_capitals() -> None:
    assert load(extra("https://a.example/x", digest=DIGEST.upper()), FOLDER).extra[0].sha256 == DIGEST


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("https://a.example/x", "write 'URL#sha256=HEX'"),
        (f"#sha256={DIGEST}", "write 'URL#sha256=HEX'"),
        (f"https://a.example/x#sha1={DIGEST}", "write 'URL#sha256=HEX'"),
        ("https://a.example/x#sha256=abc", "64 hex digits, this has 3 characters"),
        (f"https://a.example/x#sha256={'g' * 64}", "64 hex digits"),
        (f"ftp://a.example/x#sha256={DIGEST}", "is not the http(s) URL of a file"),
        (f"https://a.example#sha256={DIGEST}", "is not the http(s) URL of a file"),
        (f"https://a.example/#sha256={DIGEST}", "is not the http(s) URL of a file"),
        (f"https:///x#sha256={DIGEST}", "is not the http(s) URL of a file"),
        (f"/mnt/x#sha256={DIGEST}", "is not the http(s) URL of a file"),
        (f"https://a.example/x/#sha256={DIGEST}", "is not the http(s) URL of a file"),
        (f"https://a.example/x/..#sha256={DIGEST}", "is not the http(s) URL of a file"),
        (f"https://a.example/x/.#sha256={DIGEST}", "is not the http(s) URL of a file"),
        (f"https://a.example/x/?y#sha256={DIGEST}", "is not the http(s) URL of a file"),
    ],
)
def test_what_is_no_private_vocabulary_is_refused(text: str, advice: str) -> None:
    assert advice in refused("extra", text)


def test_a_private_vocabulary_with_the_name_of_our_temporary_files_is_refused() -> None:
    # The next run would sweep it away.
    assert "name" in refusal([*extra("https://a.example/.tiktoken-cache-init-x"), "--layout", "published"])


def test_one_url_with_two_digests_is_refused() -> None:
    given = [*extra("https://a.example/x"), *extra("https://a.example/x", digest="cd" * 32)]
    assert refusal(given) == "https://a.example/x is given two digests: keep the right one"


def test_another_digest_for_a_vocabulary_of_the_catalogue_is_refused() -> None:
    assert "is given two digests" in refusal(extra(VOCABULARIES[0].url))


def test_a_vocabulary_of_the_catalogue_that_is_given_as_a_private_one_is_wanted_once() -> None:
    known = VOCABULARIES[0]
    chosen = load(extra(known.url, digest=known.sha256), FOLDER)
    assert [pin.url for pin in chosen.vocabularies] == [pin.url for pin in VOCABULARIES[:2]]


@pytest.mark.parametrize("layout", ["published", "both"])
def test_two_vocabularies_that_would_have_one_name_in_the_folder_are_refused(layout: str) -> None:
    two = extra("https://a.example/x.bin", "https://b.example/x.bin")
    assert "x.bin" in refusal([*two, "--layout", layout])
    assert len(load(two, FOLDER).vocabularies) == 4


# What people are told of the settings.


def readme_table() -> list[list[str]]:
    lines = (ROOT / "README.md").read_text().partition("## Settings")[2].partition("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| `")]
    assert rows
    return rows


def test_the_readme_s_table_is_the_settings() -> None:
    expected = [
        [
            f"`{known.variable}`",
            f"`{known.flag}`",
            known.help,
            known.default_note or (f"`{known.default}`" if known.default else "none"),
        ]
        for known in SETTINGS
    ]
    assert readme_table() == expected


def test_every_default_in_the_table_is_the_one_that_is_used() -> None:
    for setting in SETTINGS:
        if setting.default:
            given = load([], FOLDER | {setting.variable: setting.default})
            assert given == load([], FOLDER), setting.field


def test_every_variable_has_the_prefix_and_the_name_of_its_flag() -> None:
    other = {"cache_dir": "TIKTOKEN_CACHE_DIR", "mirrors": "TIKTOKEN_INIT_MIRRORS"}
    for setting in SETTINGS:
        own = "TIKTOKEN_INIT_" + setting.flag.removeprefix("--").replace("-", "_").upper()
        assert setting.variable == other.get(setting.field, own)
