//go:build embedded

package main

import "github.com/tiktoken-go/tokenizer"

// ID is the type of a token in tiktoken-go/tokenizer, which has the vocabularies compiled in.
type ID = uint

func codecOf(name string) (tokenizer.Codec, error) {
	if isEncoding(name) {
		return tokenizer.Get(tokenizer.Encoding(name))
	}
	return tokenizer.ForModel(tokenizer.Model(name))
}

func load(name string) (func(string) ([]ID, error), error) {
	codec, err := codecOf(name)
	if err != nil {
		return nil, err
	}
	return func(text string) ([]ID, error) {
		ids, _, err := codec.Encode(text)
		return ids, err
	}, nil
}
