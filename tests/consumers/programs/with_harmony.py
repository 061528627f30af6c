"""Load the encoding of gpt-oss with openai-harmony, as its servers do; input and output as in with_tiktoken.py."""

import importlib
import json
import sys
from typing import Any

harmony: Any = importlib.import_module("openai_harmony")

request = json.load(sys.stdin)
encoding = harmony.load_harmony_encoding(harmony.HarmonyEncodingName.HARMONY_GPT_OSS)
answer = {name: {label: encoding.encode(text) for label, text in request["texts"].items()} for name in request["names"]}
print(json.dumps(answer))
