"""A consumer on openai-harmony, as servers of gpt-oss use it; the same standard input and output as with_tiktoken.py."""

import importlib
import json
import sys
from typing import Any

harmony: Any = importlib.import_module("openai_harmony")

request = json.load(sys.stdin)
encoding = harmony.load_harmony_encoding(harmony.HarmonyEncodingName.HARMONY_GPT_OSS)
print(
    json.dumps(
        {name: {label: encoding.encode(text) for label, text in request["texts"].items()} for name in request["names"]}
    )
)
