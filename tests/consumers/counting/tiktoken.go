//go:build !embedded

package main

import "github.com/pkoukk/tiktoken-go"

// ID is the type of a token in pkoukk/tiktoken-go.
type ID = int

func load(name string) (func(string) ([]ID, error), error) {
	get := tiktoken.EncodingForModel
	if isEncoding(name) {
		get = tiktoken.GetEncoding
	}
	encoding, err := get(name)
	if err != nil {
		return nil, err
	}
	return func(text string) ([]ID, error) { return encoding.Encode(text, nil, nil), nil }, nil
}
