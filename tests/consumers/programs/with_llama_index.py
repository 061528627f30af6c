"""Load the default tokenizer of LlamaIndex, that of gpt-3.5-turbo; input and output as in with_tiktoken.py."""

import importlib
import json
import sys
from typing import Any

utils: Any = importlib.import_module("llama_index.core.utils")

request = json.load(sys.stdin)
encode = utils.get_tokenizer()
print(
    json.dumps({name: {label: encode(text) for label, text in request["texts"].items()} for name in request["names"]})
)
