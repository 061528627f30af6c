"""A consumer on tiktoken: {"names": [...], "texts": {label: text}} in, {name: {label: token ids}} out; names are encodings."""

import contextlib
import importlib
import json
import sys

import tiktoken

with contextlib.suppress(ImportError):
    # tiktoken 0.1.1 downloads through blobfile, which without a limit never stops trying.
    importlib.import_module("blobfile").configure(retry_limit=1)

request = json.load(sys.stdin)
answer = {}
for name in request["names"]:
    encoding = tiktoken.get_encoding(name)
    answer[name] = {label: encoding.encode(text) for label, text in request["texts"].items()}
print(json.dumps(answer))
