"""Program that draws docs/terminal.svg from a real run: ``python -m tests.docs.picture``.

The gateway stand-in runs without a network and stops with its error. The init container fills a volume. The stand-in
runs again, and the picture ends when its encoders are loaded. The picture has its own background, so it is legible on
light and dark pages.
"""

from __future__ import annotations

import html
import re
import tempfile
import textwrap
from pathlib import Path

from tests.consumers.build import gateway_context
from tests.containers import engine
from tests.containers.engine import ROOT
from tests.docs.shell import Shell

PICTURE = ROOT / "docs" / "terminal.svg"

GATEWAY = "docker run --rm --network none {}calciumion/new-api:v0.8.2.0"
COMMANDS = (
    GATEWAY.format(""),
    "docker run --rm --network none -v tiktoken:/cache/tiktoken tiktoken-cache-init",
    "docker run --rm --network none -v tiktoken:/cache/tiktoken:ro tiktoken-cache-init verify",
    GATEWAY.format("-v tiktoken:/cache/tiktoken:ro -e TIKTOKEN_CACHE_DIR=/cache/tiktoken "),
)
LAST = "token encoders initialized"

COLUMNS = 104
_LINE, _LETTER, _MARGIN = 19, 7.83, 18
_COLOURS = (
    (r"^\$ ", "#ffffff"),
    (r"\[FATAL\]", "#ff7b72"),
    (rf"^ready:|{LAST}", "#7ee787"),
    ("", "#c9d1d9"),
)
"""Pattern in a line -> colour of the line."""


def session(shell: Shell) -> list[str]:
    """Run the commands and return what a terminal shows."""
    shown = []
    for command in COMMANDS:
        shown.append(f"$ {command}")
        if command == COMMANDS[-1]:
            printed = shell.run_until(command, lambda: LAST in shell.printed, hopeless="[FATAL]")
        else:
            printed = shell.run(command, code=1 if command == COMMANDS[0] else 0)
        # The engine forwards the two streams in any order, and the error is the last line.
        for line in sorted(printed.splitlines(), key=lambda line: "[FATAL]" in line):
            # The rest of the error names this machine's resolver.
            shown.append(re.sub(r'(\.tiktoken"): .*\]', r"\1: ...]", line).rstrip())
            if command == COMMANDS[-1] and LAST in line:
                break
    return shown


def drawn(shown: list[str]) -> str:
    """Return the picture."""
    rows = []
    for line in shown:
        colour = next(colour for pattern, colour in _COLOURS if re.search(pattern, line))
        # The rest of a long line begins with two spaces.
        folded = textwrap.wrap(line, COLUMNS, subsequent_indent="  ", break_on_hyphens=False)
        rows += [(row, colour) for row in folded]
    width, height = round(COLUMNS * _LETTER + 2 * _MARGIN), len(rows) * _LINE + 2 * _MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        "<title>The gateway fails without a network, the init container fills the volume, the gateway starts</title>",
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" fill="#161b22" stroke="#6e7681"/>',
        '<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13" xml:space="preserve">',
    ]
    for number, (row, colour) in enumerate(rows):
        y = _MARGIN + number * _LINE + 14
        lines.append(f'<text x="{_MARGIN}" y="{y}" fill="{colour}">{html.escape(row, quote=False)}</text>')
    return "\n".join([*lines, "</g>", "</svg>", ""])


def text_of(picture: str) -> str:
    """Return the text of a picture, with the word TIME in place of each time."""
    rows = [html.unescape(row) for row in re.findall(r"<text [^>]*>(.*)</text>", picture)]
    return re.sub(r"\d{4}/\d\d/\d\d - \d\d:\d\d:\d\d|\([\d.]+ s\)", "TIME", "\n".join(rows))


def main() -> None:
    """Draw the picture."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        context = gateway_context(place / "gateway")
        engine.docker("build", "--tag", engine.GATEWAY_IMAGE, str(context))
        (place / "shell").mkdir()
        shell = Shell(place / "shell")
        shell.use_docker(engine.GATEWAY_IMAGE)
        try:
            engine.docker("tag", engine.image(), shell.image)
            PICTURE.write_text(drawn(session(shell)), encoding="utf-8")
        finally:
            shell.clean()


if __name__ == "__main__":
    main()
