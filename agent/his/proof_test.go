package his

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"testing"

	"github.com/tapcheck/tapcheck/agent/keys"
)

// proven is what a client is given, and how it checks that: written from the description of ProveTag, not with its code.
type proven struct {
	Algorithm             string
	PublicKey             keys.JWK
	Signature, InstanceID string
	Port                  uint16
}

func unbase64(t *testing.T, s string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// signs says whether the proof is the known key's for these parts.
func (p proven) signs(t *testing.T, known keys.JWK, tag string, nonce, challenge []byte, port int, instance string) bool {
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, unbase64(t, known.X), unbase64(t, known.Y)))
	if err != nil {
		t.Fatal(err)
	}
	sig := unbase64(t, p.Signature)
	digest := sha256.Sum256(slices.Concat([]byte(tag), nonce, challenge, binary.BigEndian.AppendUint16(nil, uint16(port)), []byte(instance)))
	return len(sig) == 64 && ecdsa.Verify(pub, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
}

func clientNonce() ([]byte, string) {
	nonce := make([]byte, 32)
	copy(nonce, "a nonce of the client")
	return nonce, base64.RawURLEncoding.EncodeToString(nonce)
}

// A client checks who it talks to before it sends a token.
func TestAgentProvesItsKey(t *testing.T) {
	const tag = "tapcheck agent.prove v1\x00"
	r := start(t, nil)
	known := r.keys.PublicJWK()
	c := r.dial("https://his.example", "")
	var hello struct{ Challenge, InstanceID string }
	if err := json.Unmarshal(c.expectMethod("agent.hello").Params, &hello); err != nil {
		t.Fatal(err)
	}
	nonce, text := clientNonce()
	var p proven
	if err := json.Unmarshal(c.call("agent.prove", map[string]string{"nonce": text}).Result, &p); err != nil {
		t.Fatal(err)
	}
	challenge := unbase64(t, hello.Challenge)
	if len(challenge) != 32 || p.Algorithm != "ES256" || p.PublicKey != known || p.InstanceID != hello.InstanceID || int(p.Port) != r.port {
		t.Errorf("proof is %+v", p)
	}
	if !p.signs(t, known, tag, nonce, challenge, r.port, hello.InstanceID) {
		t.Error("the signature does not verify")
	}
	// A program between the client and the agent is at another port than the agent, and cannot say so.
	if p.signs(t, known, tag, nonce, challenge, r.port+1, hello.InstanceID) {
		t.Error("the signature is good for another port")
	}
	// A signature for one connection is worth nothing on another.
	var again struct{ Challenge string }
	_ = json.Unmarshal(r.dial("https://his.example", "").expectMethod("agent.hello").Params, &again)
	if again.Challenge == hello.Challenge || p.signs(t, known, tag, nonce, unbase64(t, again.Challenge), r.port, hello.InstanceID) {
		t.Error("the challenge is not fresh")
	}
}

// A desktop program brings its token when it connects, so it asks for a proof before that.
func TestDiscoveryProves(t *testing.T) {
	r := start(t, nil)
	known := r.keys.PublicJWK()
	nonce, text := clientNonce()
	ask := func(query, origin string) (int, *proven) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/.well-known/tapcheck.json%s", r.port, query), nil)
		if err != nil {
			t.Fatal(err)
		}
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var d struct{ Proof *proven }
		if err := json.NewDecoder(resp.Body).Decode(&d); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, d.Proof
	}
	status, p := ask("?nonce="+text, "")
	if status != 200 || p == nil || int(p.Port) != r.port || !p.signs(t, known, "tapcheck discovery v1\x00", nonce, nil, r.port, p.InstanceID) {
		t.Fatalf("%d %+v", status, p)
	}
	// What is signed here is no answer to agent.prove, whatever challenge somebody makes up.
	if p.signs(t, known, ProveTag, nonce, nil, r.port, p.InstanceID) || p.signs(t, known, "tapcheck discovery v1\x00", make([]byte, 32), nil, r.port, p.InstanceID) {
		t.Error("the signature means something else too")
	}
	for query, want := range map[string]int{"": 200, "?nonce=": 200, "?nonce=AAAA": 400, "?nonce=" + text + "A": 400, "?nonce=" + text + "=": 400, "?nonce=%00": 400} {
		if status, p := ask(query, ""); status != want || p != nil {
			t.Errorf("%q: %d, %+v", query, status, p)
		}
	}
	if status, p := ask("?nonce="+text, "https://his.example"); status != 200 || p == nil {
		t.Errorf("an allowed page: %d, %+v", status, p)
	}
	if status, p := ask("?nonce="+text, "https://other.example"); status != 200 || p != nil {
		t.Errorf("a page that is not allowed: %d, %+v", status, p)
	}
}
