// Count tokens with langchaingo: {"names": [models], "texts": {label: text}} in, {name: {label: count}} out.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/tmc/langchaingo/llms"
)

func main() {
	var request struct {
		Names []string
		Texts map[string]string
	}
	if err := json.NewDecoder(os.Stdin).Decode(&request); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	answer := map[string]map[string]int{}
	for _, name := range request.Names {
		answer[name] = map[string]int{}
		for label, text := range request.Texts {
			answer[name][label] = llms.CountTokens(name, text)
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(answer)
}
