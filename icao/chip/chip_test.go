package chip

import "testing"

func mustIssuer(t testing.TB) *Issuer {
	t.Helper()
	iss, err := NewIssuer(IssuerOptions{Seed: []byte("test")})
	if err != nil {
		t.Fatal(err)
	}
	return iss
}

func TestEveryProfileForEveryPersona(t *testing.T) {
	iss := mustIssuer(t)
	for _, p := range Profiles() {
		for _, who := range Personas() {
			if _, err := New(p, who, iss, Options{}); err != nil {
				t.Errorf("%s for %s: %v", p.Name, who.ID, err)
			}
		}
	}
}
