"""Writes the figures that the documentation quotes: ``python -m benchmarks.readme``, from ``results.json`` alone.

They stand in both READMEs between ``<!-- figures -->`` and ``<!-- /figures -->``; `docs/size-and-speed.svg` and
`benchmarks/results.md` are drawn anew with them.
"""

# ruff: noqa: RUF001 - Chinese has punctuation of its own

from __future__ import annotations

from pathlib import Path

from .picture import PICTURE, draw, panels
from .results import HERE, ROOT, Results
from .table import MEGABYTE, report

BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->"
REPORT = HERE / "results.md"
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh-CN.md"}

_HEADS = {
    "en": ("", "in a registry", "empty volume", "nothing to do", "peak memory"),
    "zh": ("", "镜像仓库中的大小", "填充空数据卷", "无事可做", "内存峰值"),
}
_WORDS = {
    "en": {
        "ours": "**tiktoken-cache-init**",
        "offline": "the same, `--target offline`",
        "copy": "busybox, `cp` alone",
        "careful": "busybox, `cp`, `sync`, `sha256sum -c`, `mv`",
        "curl": "Debian, `curl` and `mv`, from a server on the same machine",
        "python": "Python and tiktoken, `get_encoding` for both",
        "note": "Times are of whole `docker run` commands, medians of {rounds} interleaved rounds on {processor} ({date}); "
        "all of them in [benchmarks/results.md](benchmarks/results.md).",
        "cores": " cores,",
        "picture": "Size, time and memory beside the alternatives",
    },
    "zh": {
        "ours": "**tiktoken-cache-init**",
        "offline": "同上，`--target offline`",
        "copy": "busybox，仅 `cp`",
        "careful": "busybox，`cp`、`sync`、`sha256sum -c`、`mv`",
        "curl": "Debian，`curl` 加 `mv`，从本机的服务器下载",
        "python": "Python 加 tiktoken，两次 `get_encoding`",
        "note": "时间是整条 `docker run` 命令的耗时，取 {rounds} 轮交错运行的中位数，机器为 {processor}（{date}）；"
        "全部数据见 [benchmarks/results.md](benchmarks/results.md)。",
        "cores": " 核",
        "picture": "与其他做法相比的大小、时间和内存",
    },
}


def figures(results: Results, language: str) -> str:
    """Return what stands between the markers."""
    words = _WORDS[language]

    def size(key: str) -> str:
        return f"{results.sizes[key].compressed / MEGABYTE:.1f} MB"

    def time(key: str) -> str:
        return f"{results.measured[f'container.{key}'].time:.2f} s"

    def memory(key: str) -> str:
        return f"{results.measured[f'alone.{key}'].memory / MEGABYTE:.0f} MB"

    rows = (
        _HEADS[language],
        ("---", "---:", "---:", "---:", "---:"),
        (words["ours"], size("default"), time("cold"), time("warm"), memory("cold")),
        (words["offline"], size("offline"), "", "", ""),
        (words["copy"], size("copy"), time("copy"), "", ""),
        (words["careful"], size("careful"), time("careful"), "", ""),
        (words["curl"], size("curl"), time("curl"), "", ""),
        (words["python"], size("python"), "", time("tiktoken"), memory("tiktoken")),
    )
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    machine = results.machine["processor"].replace(" cores,", words["cores"])
    note = words["note"].format(rounds=results.rounds, date=results.date, processor=machine)
    return f"{table}\n{note}\n\n![{words['picture']}]({PICTURE.relative_to(ROOT)})\n"


def quoting(text: str, results: Results, language: str) -> str:
    """Return a README's text with the figures in their place; as it is where it has no place for them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    return before + begin + figures(results, language) + end + after if begin and end else text


def outputs(results: Results) -> dict[Path, str]:
    """Return what each file that quotes the results must hold."""
    found = {REPORT: report(results), PICTURE: draw(panels(results))}
    for language, path in READMES.items():
        if path.exists():
            found[path] = quoting(path.read_text(encoding="utf-8"), results, language)
    return found


def main() -> None:
    """Write them all."""
    for path, text in outputs(Results.load()).items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
