"""Load encodings with tiktoken: {"names": [...], "texts": {label: text}} in, {name: {label: token ids}} out."""

import json
import sys

import tiktoken

request = json.load(sys.stdin)
answer = {}
for name in request["names"]:
    encoding = tiktoken.get_encoding(name)
    answer[name] = {label: encoding.encode(text) for label, text in request["texts"].items()}
print(json.dumps(answer))
