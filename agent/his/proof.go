package his

import (
	"encoding/base64"
	"encoding/binary"
	"slices"

	"github.com/tapcheck/tapcheck/agent/keys"
)

// What a signature of the agent begins with, so that it can mean nothing else. The message is
//
//	ProveTag     || client's nonce (32 bytes) || agent's challenge (32 bytes) || port (2 bytes, big-endian) || instance id (UTF-8)
//	DiscoveryTag || client's nonce (32 bytes)                                 || port (2 bytes, big-endian) || instance id (UTF-8)
//
// The lengths of all but the last part are fixed, so no two readings of it exist. The port is the agent's own, at which
// it was asked: a program that took a port of ours first could else hand the question on to the agent, which then serves
// on the next port, and show its answer as its own. A client compares the port with the one that it connected to.
const (
	ProveTag     = "tapcheck agent.prove v1\x00"
	DiscoveryTag = "tapcheck discovery v1\x00"
)

// proof shows to a client which knows the agent's key that it speaks with that agent, and with nobody in between.
type proof struct {
	Algorithm  string   `json:"algorithm"`
	PublicKey  keys.JWK `json:"publicKey"`
	Signature  string   `json:"signature"` // r || s, base64url without padding
	InstanceID string   `json:"instanceId"`
	Port       uint16   `json:"port"`
}

func (s *Server) prove(tag string, nonce, challenge []byte, port uint16) (proof, error) {
	instance := s.c.Identity.InstanceID()
	sig, err := s.c.Identity.SignES256(slices.Concat([]byte(tag), nonce, challenge, binary.BigEndian.AppendUint16(nil, port), []byte(instance)))
	if err != nil {
		return proof{}, err
	}
	return proof{"ES256", s.c.Identity.PublicJWK(), base64.RawURLEncoding.EncodeToString(sig), instance, port}, nil
}

// proofNonce reads a client's nonce: 32 bytes, base64url without padding.
func proofNonce(text string) ([]byte, bool) {
	nonce, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return nonce, err == nil && len(nonce) == 32
}
