"""Load encodings with LiteLLM; input and output as in with_tiktoken.py.

Names of models go to LiteLLM, which gives ids for its default encoding and a count for the others. Names of encodings
go to tiktoken, in the same process.
"""

import importlib
import json
import os
import sys
from typing import Any

import tiktoken

# Without this variable, it tries for seconds to download a list of prices.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
litellm: Any = importlib.import_module("litellm")


def tokens(name: str, text: str) -> Any:
    if name == "gpt-3.5-turbo":
        return litellm.encode(model=name, text=text)
    if name.startswith("gpt-"):
        return litellm.token_counter(model=name, text=text)
    return tiktoken.get_encoding(name).encode(text)


request = json.load(sys.stdin)
answer = {name: {label: tokens(name, text) for label, text in request["texts"].items()} for name in request["names"]}
print(json.dumps(answer))
