package main

import (
	"os"
	"testing"
)

func TestReadmeIsUpToDate(t *testing.T) {
	t.Parallel()
	want, err := generate("../config.go")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("README.md differs from config.go; run: go generate ./config")
	}
}

func TestEveryOptionIsExplained(t *testing.T) {
	t.Parallel()
	sections, err := read("../config.go")
	if err != nil {
		t.Fatal(err)
	}
	if len(sections) < 10 {
		t.Fatalf("got %d sections, want every group of Config", len(sections))
	}
	for _, s := range sections {
		if len(s.Options) == 0 {
			t.Errorf("section %q has no options", s.Name)
		}
		for _, o := range s.Options {
			if o.Meaning == "" || o.Type == "" {
				t.Errorf("%s: no comment or unknown type in config.go", o.Path)
			}
		}
	}
}
