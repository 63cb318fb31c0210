package compat

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The wire forms of Engine.IO, protocol 3 (clients of Socket.IO 2) and 4 (clients of Socket.IO 3 and 4), as far as a
// dialect needs them that only ever speaks from server to client. What a client sends is looked at by its first
// characters and otherwise dropped unread: there is no event of a client that this box knows.

// Types of an Engine.IO packet.
const (
	packetOpen    = '0'
	packetClose   = '1'
	packetPing    = '2'
	packetPong    = '3'
	packetMessage = '4'
	packetUpgrade = '5'
	packetNoop    = '6'
)

// Types of a Socket.IO packet, within a message.
const (
	sioConnect    = '0'
	sioDisconnect = '1'
	sioError      = "44"
)

// separator stands between the packets of a payload of protocol 4.
const separator = "\x1e"

// encodePayload puts packets into the body of an answer to a poll.
func encodePayload(eio int, packets []string) string {
	if eio == 4 {
		return strings.Join(packets, separator)
	}
	var b strings.Builder
	for _, p := range packets {
		b.WriteString(strconv.Itoa(units(p)))
		b.WriteByte(':')
		b.WriteString(p)
	}
	return b.String()
}

// units is the length of a text as JavaScript counts it, in which protocol 3 gives lengths: UTF-16 code units.
func units(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// decodePayload takes the body of a client's request apart. ok is false for what is none, and for more than most packets.
func decodePayload(eio int, body string, most int) (packets []string, ok bool) {
	if !utf8.ValidString(body) || body == "" {
		return nil, false
	}
	if eio == 4 {
		packets = strings.SplitN(body, separator, most+1)
		return packets, len(packets) <= most
	}
	for body != "" {
		digits, rest, found := strings.Cut(body, ":")
		n, err := strconv.Atoi(digits)
		if !found || err != nil || n < 0 || len(digits) > 7 || len(packets) == most {
			return nil, false
		}
		end := 0
		for n > 0 && end < len(rest) {
			r, size := utf8.DecodeRuneInString(rest[end:])
			n -= utf16.RuneLen(r)
			end += size
		}
		if n != 0 {
			return nil, false
		}
		packets = append(packets, rest[:end])
		body = rest[end:]
	}
	return packets, true
}

// message is what a client's Socket.IO packet says, as far as that matters.
type message struct {
	connect, disconnect bool
	namespace           string // "/" is the main one, the only one that is served
}

// parseMessage reads the head of a Socket.IO packet: its type, and the namespace where one is named.
func parseMessage(s string) message {
	if s == "" {
		return message{}
	}
	m := message{connect: s[0] == sioConnect, disconnect: s[0] == sioDisconnect, namespace: "/"}
	if rest := s[1:]; strings.HasPrefix(rest, "/") {
		m.namespace, _, _ = strings.Cut(rest, ",")
		m.namespace, _, _ = strings.Cut(m.namespace, "?") // clients of Socket.IO 2 put their query there
	}
	return m
}
