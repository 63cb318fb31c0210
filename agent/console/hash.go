package console

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// cost of one hash (RFC 9106). The default is OWASP's least for argon2id: some 30 ms of a desk's PC.
type cost struct {
	memory uint32 // KiB
	time   uint32 // passes
}

var defaultCost = cost{memory: 19 << 10, time: 2}

// Bounds of what a hash in the file may ask for: the file is ours, but a slip in it must not take the PC's memory.
const (
	maxMemory = 256 << 10 // KiB
	maxTime   = 16
	saltLen   = 16
	sumLen    = 32
)

// hasher makes and checks hashes of PINs and passwords, few at a time: each takes 19 MiB, and anybody who reaches the
// login page can ask for one.
type hasher struct {
	cost  cost
	slots chan struct{}
}

// hashSlots is how many hashes are made at a time.
const hashSlots = 2

func newHasher(c cost) *hasher { return &hasher{cost: c, slots: make(chan struct{}, hashSlots)} }

var errHashForm = errors.New("hash has the wrong form")

// make gives the hash in PHC form: $argon2id$v=19$m=19456,t=2,p=1$salt$sum. Error: ctx's.
func (h *hasher) make(ctx context.Context, secret string) (string, error) {
	salt := make([]byte, saltLen)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	sum, err := h.sum(ctx, secret, salt, h.cost)
	if err != nil {
		return "", err
	}
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, h.cost.memory, h.cost.time, b.EncodeToString(salt), b.EncodeToString(sum)), nil
}

// check compares in constant time. An empty hash takes the same time and never fits: whether there is such an account
// must not be heard. Errors: errHashForm, ctx's.
func (h *hasher) check(ctx context.Context, hash, secret string) (bool, error) {
	c, salt, want := h.cost, make([]byte, saltLen), make([]byte, sumLen)
	if hash != "" {
		var err error
		if c, salt, want, err = parseHash(hash); err != nil {
			return false, err
		}
	}
	got, err := h.sum(ctx, secret, salt, c)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && hash != "", nil
}

func (h *hasher) sum(ctx context.Context, secret string, salt []byte, c cost) ([]byte, error) {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots }()
	return argon2.IDKey([]byte(secret), salt, c.time, c.memory, 1, sumLen), nil
}

func parseHash(hash string) (c cost, salt, sum []byte, err error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, errHashForm
	}
	var lanes int
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.time, &lanes); err != nil || n != 3 || lanes != 1 {
		return c, nil, nil, errHashForm
	}
	salt, e1 := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	sum, e2 := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if errors.Join(e1, e2) != nil || len(salt) != saltLen || len(sum) != sumLen || c.memory < 8 || c.memory > maxMemory || c.time < 1 || c.time > maxTime {
		return c, nil, nil, errHashForm
	}
	return c, salt, sum, nil
}
