// Package lds holds the words that everything about a chip is said in: its files, its data groups, the document that
// they describe, the key that opens them, the verdicts about them, and the errors that can come up.
//
// It is a leaf: it knows no card, no reader and no trust store, and decodes bytes that it is given. All of these bytes are
// a stranger's: every decoder here is bounded in size, depth and count, and answers a malformed file with ErrMalformed.
//
// The logical data structure is ICAO Doc 9303 part 10; the machine readable zone is parts 3 to 6.
package lds
