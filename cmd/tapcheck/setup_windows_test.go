package main

import (
	"os"
	"testing"

	"github.com/tapcheck/tapcheck/agent/keys"
)

// The service as LocalService may not make its data folder below the administrators' one, so setup has made it, whatever it was
// told; and a purge takes it away again although nothing has come into it.
func TestSetupMakesTheDataFolder(t *testing.T) {
	p := newPlace(t)
	p.must("setup", "--desk", "reception 3")
	if info, err := os.Stat(p.data); err != nil || !info.IsDir() {
		t.Fatalf("no data folder: %v", err)
	}
	if err := keys.Claim(p.data, false); err != nil { // which judges its access list
		t.Error(err)
	}
	p.must("setup", "--remove", "--purge")
	if _, err := os.Stat(p.data); err == nil {
		t.Error("the data folder is left")
	}
}
