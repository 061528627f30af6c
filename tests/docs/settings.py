"""Writes the tables of docs/settings.md and docs/settings.zh-CN.md: ``python -m tests.docs.settings``.

They come from the program's own tables of settings, commands and exit codes. A test fails if a page differs from them.
"""

# ruff: noqa: RUF001 - Chinese has punctuation of its own

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tiktoken_cache_init.errors import EXIT_CODES
from tiktoken_cache_init.settings import COMMANDS, SETTINGS, Setting

ROOT = Path(__file__).parents[2]
PAGES = {"en": ROOT / "docs/settings.md", "zh": ROOT / "docs/settings.zh-CN.md"}

COMMAND_CODES = {
    "fill": ("0", "2", "3", "4"),
    "verify": ("0", "1", "2", "3"),
    "list": ("0", "2", "3"),
    "export": ("0", "1", "2", "3"),
    "path": ("0", "1", "2", "3"),
}
"""Command -> the exit codes that it ends with, unless a signal or a bug stops it."""

HEADS = {
    "en": {
        "settings": ("variable", "option", "value", "default", "commands"),
        "commands": ("command", "what it does", "exit codes"),
        "codes": ("exit code", "meaning"),
    },
    "zh": {
        "settings": ("环境变量", "命令行选项", "含义", "默认值", "适用命令"),
        "commands": ("命令", "作用", "退出码"),
        "codes": ("退出码", "含义"),
    },
}
CHINESE = {
    "cache_dir": "网关等程序读取的目录",
    "encodings": "编码名，用逗号分隔，或写 `all`",
    "extra": "私有词表；后面可以加 `&size=BYTES`",
    "layout": "文件名：`cache`（缓存键）、`published`（原文件名）或 `both`（两种都有）",
    "mode": "文件的权限位（八进制）",
    "owner": "文件的属主（需要 root 和 CHOWN capability）",
    "sources": "依次尝试的来源：`baked`、`fetch`、`wheel`",
    "mirrors": "镜像站的 URL 或目录，先于官方源尝试",
    "origin": "是否尝试官方源",
    "deadline": "整次运行的时限（秒）",
    "timeout": "多久没有进展就进行下一次尝试（秒）",
    "ca": "额外信任的 CA 证书（PEM 文件）",
    "log": "标准错误（stderr）输出的格式",
}
CHINESE_DEFAULTS = {
    "cache_dir": "镜像内为 `/cache/tiktoken`；在宿主机上必须指定",
    "owner": "运行程序的用户",
    "encodings": "已内置的全部编码；没有内置时为 `cl100k_base,o200k_base`",
    "sources": "有内置词表时先用 `baked`，然后 `fetch`；不在镜像内时最后用 `wheel`",
}
CHINESE_COMMANDS = {
    "fill": "把所需的词表全部写入目录（默认命令）",
    "verify": "说明每个文件的状态、对网关有什么影响、如何修复",
    "list": "列出编码、对应的文件和缓存键",
    "export": "把目录里的词表打成 tar 包，写到标准输出",
    "path": "输出内置词表所在的目录，它本身就是一个缓存",
}
CHINESE_CODES = {
    "0": "就绪：所需文件都在目录里，内容正确且可读",
    "1": "未就绪（`verify`、`export`），或没有内置词表（`path`）",
    "2": "设置有误",
    "3": "无法读写目录或标准输出",
    "4": "有词表取不到",
    "70": "程序自身的 bug",
    "128+N": "被信号 N 终止",
}


def tables(language: str) -> dict[str, str]:
    """Return the name of each table -> the table in Markdown."""
    heads, english = HEADS[language], language == "en"
    meanings = EXIT_CODES if english else CHINESE_CODES
    purposes = COMMANDS if english else CHINESE_COMMANDS
    between = ", " if english else "、"
    return {
        "settings": table(heads["settings"], (_row(setting, english, between) for setting in SETTINGS)),
        "commands": table(
            heads["commands"],
            ((f"`{name}`", purposes[name], between.join(COMMAND_CODES[name])) for name in COMMANDS),
        ),
        "codes": table(heads["codes"], ((f"`{code}`", meanings[code]) for code in EXIT_CODES)),
    }


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [" | ".join(cell.replace("|", r"\|") for cell in line) for line in (head, ["---"] * len(head), *rows)]
    return "".join(f"| {line} |\n" for line in lines)


def _row(setting: Setting, english: bool, between: str) -> tuple[str, ...]:
    default = setting.default_note if english else CHINESE_DEFAULTS.get(setting.field, "")
    return (
        f"`{setting.variable}`",
        f"`{setting.option} {setting.metavar}`",
        setting.help if english else CHINESE[setting.field],
        default or (f"`{setting.default}`" if setting.default else "none" if english else "无"),
        between.join(setting.commands),
    )


def written(text: str, language: str) -> str:
    """Return a page with its tables in their places."""
    for name, content in tables(language).items():
        place = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        text, count = place.subn(lambda match: f"{match[1]}{content}{match[2]}", text)  # noqa: B023 - called at once
        assert count == 1, f"the page has no place for the table '{name}'"
    return text


if __name__ == "__main__":
    for language, path in PAGES.items():
        path.write_text(written(path.read_text(encoding="utf-8"), language), encoding="utf-8")
