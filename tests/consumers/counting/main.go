// Load encodings with tiktoken-go: {"names": [...], "texts": {label: text}} in, {name: {label: token ids}} out.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/pkoukk/tiktoken-go"
)

func fail(message any) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(1)
}

func main() {
	var request struct {
		Names []string
		Texts map[string]string
	}
	if err := json.NewDecoder(os.Stdin).Decode(&request); err != nil {
		fail(err)
	}
	answer := map[string]map[string][]int{}
	for _, name := range request.Names {
		encoding, err := tiktoken.GetEncoding(name)
		if err != nil {
			fail(err)
		}
		answer[name] = map[string][]int{}
		for label, text := range request.Texts {
			answer[name][label] = encoding.Encode(text, nil, nil)
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(answer)
}
