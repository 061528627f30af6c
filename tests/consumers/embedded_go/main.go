// A consumer on tiktoken-go/tokenizer, which has the vocabularies compiled in: the same standard input and output as the
// program in tiktoken_go.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/tiktoken-go/tokenizer"
)

func load(name string) (tokenizer.Codec, error) {
	if strings.HasSuffix(name, "_base") || strings.HasSuffix(name, "_edit") {
		return tokenizer.Get(tokenizer.Encoding(name))
	}
	return tokenizer.ForModel(tokenizer.Model(name))
}

func main() {
	var request struct {
		Names []string
		Texts map[string]string
	}
	if err := json.NewDecoder(os.Stdin).Decode(&request); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	answer := map[string]map[string][]uint{}
	for _, name := range request.Names {
		codec, err := load(name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %s\n", name, err)
			os.Exit(1)
		}
		answer[name] = map[string][]uint{}
		for label, text := range request.Texts {
			ids, _, err := codec.Encode(text)
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s: %s\n", name, err)
				os.Exit(1)
			}
			answer[name][label] = ids
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(answer)
}
