// A consumer that counts: it reads {"names": [...], "texts": {label: text}} on standard input, and writes
// {name: {label: token ids}} on standard output. A name is that of an encoding or a model. A build tag chooses the
// library that it uses.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

func isEncoding(name string) bool {
	return strings.HasSuffix(name, "_base") || strings.HasSuffix(name, "_edit")
}

func fail(code int, what any) {
	fmt.Fprintln(os.Stderr, what)
	os.Exit(code)
}

func main() {
	var request struct {
		Names []string
		Texts map[string]string
	}
	if err := json.NewDecoder(os.Stdin).Decode(&request); err != nil {
		fail(2, err)
	}
	answer := map[string]map[string][]ID{}
	for _, name := range request.Names {
		encode, err := load(name)
		if err != nil {
			fail(1, fmt.Sprintf("%s: %s", name, err))
		}
		answer[name] = map[string][]ID{}
		for label, text := range request.Texts {
			ids, err := encode(text)
			if err != nil {
				fail(1, fmt.Sprintf("%s: %s", name, err))
			}
			answer[name][label] = ids
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(answer)
}
