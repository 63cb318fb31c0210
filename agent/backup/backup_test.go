package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
)

func files(contents ...string) (list []File) {
	for i, c := range contents {
		list = append(list, File{Name: string(rune('a'+i)) + ".db", Size: int64(len(c)), Data: strings.NewReader(c)})
	}
	return list
}

func sealed(t *testing.T, contents ...string) (raw []byte, secret string) {
	t.Helper()
	secret, recipient, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	m := Manifest{Version: "1.0.0", Made: time.Date(2026, 12, 1, 2, 0, 0, 0, time.UTC), InstanceID: "instance", PublicKey: json.RawMessage(`{"kty":"EC"}`), Desk: "Quầy 7", Schema: 3}
	if err := Write(t.Context(), &b, recipient, m, files(contents...)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), secret
}

func all(got map[string]string) func(Manifest, string, int64, io.Reader) error {
	return func(_ Manifest, name string, _ int64, r io.Reader) error {
		b, err := io.ReadAll(r)
		got[name] = string(b)
		return err
	}
}

func TestThereAndBack(t *testing.T) {
	big := strings.Repeat("người bệnh ", 50_000)
	raw, secret := sealed(t, "one", "", big)
	for _, word := range []string{"instance", "Quầy", "manifest", "người"} {
		if bytes.Contains(raw, []byte(word)) {
			t.Errorf("%q can be read in it", word)
		}
	}
	got := map[string]string{}
	m, err := Read(t.Context(), bytes.NewReader(raw), secret, all(got))
	if err != nil || m.Desk != "Quầy 7" || len(got) != 3 || got["a.db"] != "one" || got["c.db"] != big {
		t.Errorf("%+v, %v, %d files", m, err, len(got))
	}
	if m, err := Read(t.Context(), bytes.NewReader(raw), secret, nil); err != nil || m.InstanceID != "instance" {
		t.Errorf("%+v, %v", m, err)
	}
	full := errors.New("the disk is full")
	if _, err := Read(t.Context(), bytes.NewReader(raw), secret, func(Manifest, string, int64, io.Reader) error { return full }); !errors.Is(err, full) || errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Read(ctx, bytes.NewReader(raw), secret, all(got)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestKeys(t *testing.T) {
	raw, secret := sealed(t, "one")
	other, recipient, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), bytes.NewReader(raw), other, nil); !errors.Is(err, ErrWrongKey) {
		t.Errorf("another key: %v", err)
	}
	for _, bad := range []string{"", "x", recipient, secret[:20]} {
		if _, err := Read(t.Context(), bytes.NewReader(raw), bad, nil); !errors.Is(err, ErrIdentity) {
			t.Errorf("%.6q…: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "age1", secret, recipient + "q"} {
		if err := CheckRecipient(bad); !errors.Is(err, ErrRecipient) {
			t.Errorf("%.6q…: %v", bad, err)
		}
		if err := Write(t.Context(), io.Discard, bad, Manifest{}, nil); !errors.Is(err, ErrRecipient) {
			t.Errorf("%.6q…: %v", bad, err)
		}
	}
}

// Every change of the file and every cut is found, wherever it is.
func TestDamage(t *testing.T) {
	raw, secret := sealed(t, "one", strings.Repeat("x", 200_000))
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 120 {
		bad := bytes.Clone(raw)
		at := r.IntN(len(bad))
		if n < 60 {
			bad[at] ^= 1 << r.IntN(8)
		} else {
			bad = bad[:at]
		}
		got := map[string]string{}
		_, err := Read(t.Context(), bytes.NewReader(bad), secret, all(got))
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrWrongKey) {
			t.Errorf("at %d of %d: %v", at, len(raw), err)
		}
	}
	if _, err := Read(t.Context(), bytes.NewReader(append(bytes.Clone(raw), 0)), secret, all(map[string]string{})); !errors.Is(err, ErrDamaged) {
		t.Errorf("with more behind: %v", err)
	}
}

// Who has the public half can make a file of another form: it is refused before anything of it is used.
func TestForm(t *testing.T) {
	secret, recipient, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	to, _ := age.ParseX25519Recipient(recipient)
	encrypted := func(plain []byte) []byte {
		var b bytes.Buffer
		w, err := age.Encrypt(&b, to)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(plain)
		_ = w.Close()
		return b.Bytes()
	}
	for name, plain := range map[string][]byte{"nothing": nil, "no archive": bytes.Repeat([]byte("x"), 2048)} {
		if _, err := Read(t.Context(), bytes.NewReader(encrypted(plain)), secret, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	archive := func(manifest string, names ...string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, f := range append([]string{"manifest.json"}, names...) {
			body := ""
			if f == "manifest.json" {
				body = manifest
			}
			_ = w.WriteHeader(&tar.Header{Name: f, Mode: 0o600, Size: int64(len(body))})
			_, _ = w.Write([]byte(body))
		}
		_ = w.Close()
		return encrypted(b.Bytes())
	}
	for name, tt := range map[string]struct {
		raw  []byte
		want error
	}{
		"of a newer version":      {archive(`{"format":2,"files":["x"]}`), ErrNewer},
		"no manifest":             {archive(`{`), ErrDamaged},
		"a file out of its place": {archive(`{"format":1,"files":["../x"]}`, "../x"), ErrDamaged},
		"a file less":             {archive(`{"format":1,"files":["a","b"]}`, "a"), ErrDamaged},
		"a file more":             {archive(`{"format":1,"files":["a"]}`, "a", "b"), ErrDamaged},
		"another file":            {archive(`{"format":1,"files":["a"]}`, "b"), ErrDamaged},
		"too many files":          {archive(`{"format":1,"files":[` + strings.Repeat(`"a",`, maxFiles) + `"a"]}`), ErrDamaged},
	} {
		if _, err := Read(t.Context(), bytes.NewReader(tt.raw), secret, all(map[string]string{})); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{"../a", "a/b", ".a", "", `a\b`, "-a", strings.Repeat("a", 101)} {
		if err := Write(t.Context(), io.Discard, recipient, Manifest{}, []File{{Name: bad, Data: strings.NewReader("")}}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
