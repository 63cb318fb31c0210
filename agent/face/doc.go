// Package face says whether the person in front of a camera is the one on a chip's photo, and says so only as far as it was seen.
//
// An Engine finds faces (BlazeFace), lays a mesh over them (FaceMesh) and makes templates (MobileFaceNet, or a recogniser
// that the hospital brings). A Verification takes the chip's photo and live frames of one person: it says for each frame
// what the person can do better, asks the person to do things that a printed picture cannot, compares the best frames and
// comes to an Outcome: match, no_match, review (a person has to look) or cannot_tell with the reason.
//
// What it does not promise: it sees no camera that is fed with made-up frames, no mask, no replayed film that happens to do
// what was asked. It is no presentation attack detection in the sense of ISO/IEC 30107-3. Error rates are in the manual.
//
// The networks run in plain Go (package nn). Their weights are no part of the source: `make models` fetches them by version and checksum, and
// a program that was built without says ErrNoModels.
//
// Pictures stay in memory, and Verification.Close wipes them.
package face
