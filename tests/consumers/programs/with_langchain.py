"""Load encodings with LangChain's text splitters; input and output as in with_tiktoken.py.

TokenTextSplitter loads ``gpt2`` by default. For another encoding the splitter gives a count and no ids.
"""

import importlib
import json
import sys
from typing import Any

splitters: Any = importlib.import_module("langchain_text_splitters")


def load(name: str) -> Any:
    if name == "gpt2":
        return splitters.TokenTextSplitter()._tokenizer.encode
    return splitters.CharacterTextSplitter.from_tiktoken_encoder(encoding_name=name)._length_function


request = json.load(sys.stdin)
answer = {}
for name in request["names"]:
    encode = load(name)
    answer[name] = {label: encode(text) for label, text in request["texts"].items()}
print(json.dumps(answer))
