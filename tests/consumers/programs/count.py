"""Load encodings with a library, and count tokens: ``count.py tiktoken|harmony|langchain|litellm``.

Input: {"names": [...], "texts": {label: text}}. Output: {name: {label: token ids, or their number}}.
"""

import importlib
import json
import os
import sys
from typing import Any


def tiktoken(name: str) -> Any:
    return library("tiktoken").get_encoding(name).encode


def harmony(name: str) -> Any:
    """Load the encoding of gpt-oss, as its servers do."""
    return library("openai_harmony").load_harmony_encoding("HarmonyGptOss").encode


def langchain(name: str) -> Any:
    """Load an encoding with LangChain's text splitters. For an encoding that is not the default, they only count."""
    splitters = library("langchain_text_splitters")
    if name == "gpt2":
        return splitters.TokenTextSplitter()._tokenizer.encode
    return splitters.CharacterTextSplitter.from_tiktoken_encoder(encoding_name=name)._length_function


def litellm(name: str) -> Any:
    """Load a model with LiteLLM, or an encoding with tiktoken in the same process."""
    # Without this variable, it tries for seconds to download a list of prices.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    lite = library("litellm")
    if name == "gpt-3.5-turbo":
        return lambda text: lite.encode(model=name, text=text)
    return (lambda text: lite.token_counter(model=name, text=text)) if name.startswith("gpt-") else tiktoken(name)


def library(name: str) -> Any:
    return importlib.import_module(name)


load = {"tiktoken": tiktoken, "harmony": harmony, "langchain": langchain, "litellm": litellm}[sys.argv[1]]
request = json.load(sys.stdin)
answer = {}
for name in request["names"]:
    encode = load(name)
    answer[name] = {label: encode(text) for label, text in request["texts"].items()}
print(json.dumps(answer))
