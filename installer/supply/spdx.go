package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/face/modelfile"
)

// spdx is the bill of materials in SPDX 2.3 (ISO/IEC 5962 describes 2.2.1, and tools read both). It names the same parts as
// cycloneDX does. made is the time that it must have, which is that of the commit; its namespace comes from its content, so that
// the same program has the same.
func spdx(version string, info *buildinfo.BuildInfo, parts []part, weights []modelfile.Model, made time.Time) ([]byte, error) {
	type object = map[string]any
	const document, root = "SPDXRef-DOCUMENT", "SPDXRef-tapcheck"
	describe := func(id, name, version, licence, purl, comment string) object {
		if licence == "" {
			licence = "NOASSERTION"
		}
		p := object{
			"SPDXID": id, "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION", "filesAnalyzed": false,
			"licenseConcluded": licence, "licenseDeclared": licence, "copyrightText": "NOASSERTION",
			"externalRefs": []object{{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}},
		}
		if comment != "" {
			p["comment"] = comment
		}
		return p
	}
	own := describe(root, "tapcheck", version, "Apache-2.0", "pkg:golang/"+info.Main.Path+"@"+version,
		fmt.Sprintf("%s/%s, built with %s", setting(info, "GOOS", ""), setting(info, "GOARCH", ""), info.GoVersion))
	own["primaryPackagePurpose"] = "APPLICATION"
	packages := []object{own}
	links := []object{{"spdxElementId": document, "relationshipType": "DESCRIBES", "relatedSpdxElement": root}}
	add := func(p object) {
		packages = append(packages, p)
		links = append(links, object{"spdxElementId": root, "relationshipType": "CONTAINS", "relatedSpdxElement": p["SPDXID"]})
	}
	for i, p := range parts {
		comment := ""
		if p.Licence == "" {
			comment = exceptions[p.Path]
		}
		if p.Sum != "" {
			comment = strings.TrimSpace("go.sum " + p.Sum + " " + comment)
		}
		add(describe(spdxID(i, p.Path), p.Path, p.Version, p.Licence, "pkg:golang/"+p.Path+"@"+p.Version, comment))
	}
	for i, m := range weights {
		p := describe(spdxID(len(parts)+i, m.Title), m.Title, m.Version, m.Licence, "pkg:npm/"+strings.Replace(m.Package, "@", "%40", 1)+"@"+m.Version, strings.TrimSpace(m.Notice+" "+m.Open))
		p["checksums"] = []object{{"algorithm": "SHA256", "checksumValue": m.SHA256}}
		add(p)
	}
	doc := object{
		"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": document, "name": "tapcheck-" + version,
		"creationInfo": object{"created": made.UTC().Format(time.RFC3339), "creators": []string{"Tool: tapcheck-supply"}},
		"packages":     packages, "relationships": links,
	}
	content, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	doc["documentNamespace"] = "https://tapcheck.invalid/spdx/tapcheck-" + version + "-" + hex.EncodeToString(sum[:8])
	return json.MarshalIndent(doc, "", "  ")
}

var notInSPDXID = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// spdxID is an element's name within the document; the number keeps two paths apart that differ only in what it may not hold.
func spdxID(n int, name string) string {
	return fmt.Sprintf("SPDXRef-%d-%s", n+1, notInSPDXID.ReplaceAllString(name, "-"))
}
