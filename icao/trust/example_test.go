package trust_test

import (
	"fmt"
	"os"
	"time"

	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
)

// A folder with a root certificate, a master list and a revocation list, and the files of a card judged by it.
func Example() {
	read := func(name string) []byte {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			panic(err)
		}
		return b
	}
	store, report, err := trust.Load(trust.Options{Files: map[string][]byte{
		"csca.cer":    read("lists/csca.cer"),
		"german.ml":   read("lists/cut.ml"), // broken on its way
		"revoked.crl": read("lists/revoked.crl"),
	}})
	if err != nil {
		panic(err)
	}
	for _, r := range report.Refused {
		fmt.Printf("%s %s → %s\n", r.File, r.Reason, r.Cure)
	}
	at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	files := map[lds.FileID][]byte{lds.DG(1): read("DG1.bin")}
	for _, name := range []string{"lists/ds.sod", "lists/revoked.sod"} {
		v := store.Inspect(read(name), at).Judge(files).Verdict
		fmt.Println(v.Status, v.Reason, v.Anchor.Source)
	}
	// Output:
	// german.ml is not a CMS SignedData → get the file again from where it came from; it is damaged or of another kind
	// passed  csca.cer
	// failed REVOKED csca.cer
}
