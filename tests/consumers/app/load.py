"""Load encodings as an application does, print the number of tokens in each text, and wait to be stopped.

LOADS names the encodings. OVERWRITES is the directory with which the application overwrites ``TIKTOKEN_CACHE_DIR``.
"""

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

if "OVERWRITES" in os.environ:
    os.environ["TIKTOKEN_CACHE_DIR"] = os.environ["OVERWRITES"]


def load(name: str) -> Any:
    if name == "o200k_harmony":
        harmony: Any = importlib.import_module("openai_harmony")
        return harmony.load_harmony_encoding(harmony.HarmonyEncodingName.HARMONY_GPT_OSS)
    return importlib.import_module("tiktoken").get_encoding(name)


texts = json.loads(Path("/texts.json").read_text())
counts = {}
for name in os.environ["LOADS"].split(","):
    encoding = load(name)
    counts[name] = {label: len(encoding.encode(text)) for label, text in texts.items()}
print(json.dumps(counts), flush=True)

# Process 1 of a container ignores the signal unless it handles it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
signal.pause()
