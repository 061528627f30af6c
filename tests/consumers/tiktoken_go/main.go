// A consumer on pkoukk/tiktoken-go: reads {"names": [...], "texts": {label: text}} on standard input, writes
// {name: {label: token ids}} on standard output. A name is an encoding's or a model's.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/pkoukk/tiktoken-go"
)

func load(name string) (*tiktoken.Tiktoken, error) {
	if strings.HasSuffix(name, "_base") || strings.HasSuffix(name, "_edit") {
		return tiktoken.GetEncoding(name)
	}
	return tiktoken.EncodingForModel(name)
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
	answer := map[string]map[string][]int{}
	for _, name := range request.Names {
		encoding, err := load(name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %s\n", name, err)
			os.Exit(1)
		}
		answer[name] = map[string][]int{}
		for label, text := range request.Texts {
			answer[name][label] = encoding.Encode(text, nil, nil)
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(answer)
}
