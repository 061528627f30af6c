"""The barest fetch with the same library: both files side by side, and nothing is checked."""

import sys
import threading

import httpx

NAMES = {
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
}
client = httpx.Client()


def fetch(encoding: str, name: str) -> None:
    """Fetch one."""
    with open(f"/cache/tiktoken/{name}", "wb") as file:  # noqa: PTH123 - pathlib takes longer to load than this does
        file.write(client.get(f"{sys.argv[1]}/encodings/{encoding}.tiktoken").content)


for pair in NAMES.items():
    threading.Thread(target=fetch, args=pair).start()
