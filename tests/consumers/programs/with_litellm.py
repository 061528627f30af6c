"""A consumer on LiteLLM; names are models. LiteLLM gives ids for its default encoding only, and a count for the others."""

import importlib
import json
import sys
from typing import Any

litellm: Any = importlib.import_module("litellm")


def tokens(model: str, text: str) -> Any:
    if model == "gpt-3.5-turbo":
        return litellm.encode(model=model, text=text)
    return litellm.token_counter(model=model, text=text)


request = json.load(sys.stdin)
answer = {name: {label: tokens(name, text) for label, text in request["texts"].items()} for name in request["names"]}
print(json.dumps(answer))
