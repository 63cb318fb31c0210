// Package people draws invented people: the faces of icao/chip's personas, as a chip's photo shows them and as a camera would
// see them.
//
// Whoever tests a face check needs faces, and none may be a real person's. These are computed: a head of some forty
// measurements (Person), put into a pose and a light (View), painted by Render. They are plainly artificial to a human eye, and
// faces to the networks of agent/face: found, with a mesh that follows turning, nodding and blinking, and with templates by
// which a person is the same from one view to the next (0.90 and more) and another from all others (below 0.50). That is what
// tests and vendors need, and all that it shows: no error rate of the comparison can be had from drawn faces.
//
// The measurements of the personas were found by search, so that the recogniser tells them apart; see personas.go. Everything
// is computed anew each time, the same to the last bit on one machine, and within rounding on another.
package people
