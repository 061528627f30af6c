// Load encodings with the package that the first argument names; input and output as in with_tiktoken.py.
import { readFileSync } from "node:fs";

const loaders = {
  "js-tiktoken": async (name) => (await import("js-tiktoken")).getEncoding(name),
  tiktoken: async (name) => (await import("tiktoken")).get_encoding(name),
  "gpt-tokenizer": async (name) => await import(`gpt-tokenizer/encoding/${name}`),
  langchain: async (name) => (await import("@langchain/core/utils/tiktoken")).getEncoding(name),
};

// LangChain waits between its attempts to download, 86 seconds in all. The result does not depend on the waiting.
const later = globalThis.setTimeout;
globalThis.setTimeout = (call, _milliseconds, ...rest) => later(call, 0, ...rest);

const request = JSON.parse(readFileSync(0, "utf8"));
const answer = {};
for (const name of request.names) {
  const encoding = await loaders[process.argv[2]](name);
  answer[name] = {};
  for (const [label, text] of Object.entries(request.texts)) answer[name][label] = [...encoding.encode(text)];
}
console.log(JSON.stringify(answer));
