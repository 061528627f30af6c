// Load encodings with tiktoken; input and output as in with_tiktoken.py.
import { readFileSync } from "node:fs";
import { get_encoding } from "tiktoken";

const { names, texts } = JSON.parse(readFileSync(0, "utf8"));
const answer = {};
for (const name of names) {
  const encoding = get_encoding(name);
  answer[name] = {};
  for (const [label, text] of Object.entries(texts)) answer[name][label] = [...encoding.encode(text)];
}
console.log(JSON.stringify(answer));
