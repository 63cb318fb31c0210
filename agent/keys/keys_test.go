package keys

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestKeysStayTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if first.InstanceID() != second.InstanceID() || !first.signing.Equal(second.signing) || string(first.DatabaseKey()) != string(second.DatabaseKey()) {
		t.Fatal("opened again, the keys are others")
	}
	if len(first.DatabaseKey()) != 32 {
		t.Fatalf("database key has %d bytes", len(first.DatabaseKey()))
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		info, _ := e.Info()
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
		if e.Name() != FileName {
			t.Errorf("%s was left behind", e.Name())
		}
	}
	if info, _ := os.Stat(dir); runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("folder has mode %v", info.Mode())
	}
}

func TestManyAtOnceMakeOneSetOfKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var wg sync.WaitGroup
	ids := make([]string, 16)
	for i := range ids {
		wg.Go(func() {
			k, err := Open(dir)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = k.InstanceID()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("instances %q and %q", id, ids[0])
		}
	}
}

func TestKeysAreNeverPrinted(t *testing.T) {
	k, err := Open(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	encoded, _ := json.Marshal(k)
	scalar, err := k.signing.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{
		fmt.Sprintf("%x", k.database), base64.StdEncoding.EncodeToString(k.database), fmt.Sprint(k.database),
		base64.RawURLEncoding.EncodeToString(k.database), fmt.Sprintf("%x", scalar), fmt.Sprint(scalar), new(big.Int).SetBytes(scalar).String(),
	}
	for _, shown := range []string{fmt.Sprint(k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k), fmt.Sprintf("%x", k), fmt.Sprintf("%d", k), fmt.Sprintf("%s", *k), string(encoded)} {
		for _, s := range secrets {
			if strings.Contains(strings.ToLower(shown), strings.ToLower(s)) {
				t.Errorf("%q shows a key", shown)
			}
		}
	}
}

func TestSignatureIsES256(t *testing.T) {
	k, err := Open(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	for range 50 { // short r or s come up now and then
		sig, err := k.SignES256([]byte("message"))
		if err != nil || len(sig) != 64 {
			t.Fatal(len(sig), err)
		}
		digest := sha256.Sum256([]byte("message"))
		if !ecdsa.Verify(&k.signing.PublicKey, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
			t.Fatal("signature does not verify")
		}
	}
	jwk := k.PublicJWK()
	x, _ := base64.RawURLEncoding.DecodeString(jwk.X)
	y, _ := base64.RawURLEncoding.DecodeString(jwk.Y)
	if pub, err := ecdsa.ParseUncompressedPublicKey(k.signing.Curve, append(append([]byte{4}, x...), y...)); err != nil || !pub.Equal(&k.signing.PublicKey) {
		t.Fatal("the JWK is another key", err)
	}
}

// A row changes a good data folder, and says what Open answers then.
func TestKeyFileIsRefused(t *testing.T) {
	edit := func(f func(c *content)) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, FileName)
			raw, _ := os.ReadFile(path)
			var c content
			if err := json.Unmarshal(raw, &c); err != nil {
				t.Fatal(err)
			}
			if err := c.unseal(Machine{}); err != nil {
				t.Fatal(err)
			}
			f(&c)
			raw, _ = json.Marshal(c)
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	chmod := func(name string, mode os.FileMode) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(data string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, FileName), []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	cases := []struct {
		name     string
		unixOnly bool
		break_   func(t *testing.T, dir string)
		want     error
	}{
		{"group may read", true, chmod(FileName, 0o640), ErrExposed},
		{"others may read", true, chmod(FileName, 0o604), ErrExposed},
		{"others may write", true, chmod(FileName, 0o602), ErrExposed},
		{"others may put files into the folder", true, chmod("", 0o777), ErrExposed},
		{"others may look into the folder", true, chmod("", 0o755), nil},
		{"a link in the file's place", true, func(t *testing.T, dir string) {
			other := filepath.Join(t.TempDir(), "elsewhere")
			if err := os.Rename(filepath.Join(dir, FileName), other); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(other, filepath.Join(dir, FileName)); err != nil {
				t.Fatal(err)
			}
		}, ErrNotFile},
		{"a folder in the file's place", false, func(t *testing.T, dir string) {
			_ = os.Remove(filepath.Join(dir, FileName))
			if err := os.Mkdir(filepath.Join(dir, FileName), 0o700); err != nil {
				t.Fatal(err)
			}
		}, ErrNotFile},
		{"empty", false, write(""), ErrMalformed},
		{"cut", false, write(`{"version":1,"instanceId":"abcdefghijklmnop","databaseKey":"AAAA`), ErrMalformed},
		{"too large", false, write(strings.Repeat(" ", fileLimit+1)), ErrMalformed},
		{"another version", false, edit(func(c *content) { c.Version = 2 }), ErrMalformed},
		{"short database key", false, edit(func(c *content) { c.Database = c.Database[:16] }), ErrMalformed},
		{"no signing key", false, edit(func(c *content) { c.Signing = nil }), ErrMalformed},
		{"instance id that would break a header", false, edit(func(c *content) { c.InstanceID = "abcdefghijklmnop\r\n" }), ErrMalformed},
		{"short instance id", false, edit(func(c *content) { c.InstanceID = "abc" }), ErrMalformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.unixOnly && runtime.GOOS == "windows" {
				t.Skip("mode bits say nothing on Windows")
			}
			dir := filepath.Join(t.TempDir(), "data")
			k, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			c.break_(t, dir)
			_, err = Open(dir)
			if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			var fe *FileError
			if err != nil && (!errors.As(err, &fe) || fe.Path == "") {
				t.Errorf("%v does not name the file", err)
			}
			if err != nil && strings.Contains(err.Error(), base64.StdEncoding.EncodeToString(k.database)[:10]) {
				t.Error("the error quotes the key")
			}
		})
	}
}

func TestDataFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var fe *FileError
	if _, err := Open(filepath.Join(file, "data")); !errors.As(err, &fe) {
		t.Fatalf("got %v", err)
	}
	if _, err := Open(file); !errors.As(err, &fe) {
		t.Fatalf("got %v", err)
	}
}
