// Package chip is the other side of the table: a simulated chip of an electronic ID card (eMRTD, ICAO Doc 9303 parts 10 and 11),
// the issuing state that makes such cards, and invented people to issue them to.
package chip
