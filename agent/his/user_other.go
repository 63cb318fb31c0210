//go:build !windows

package his

// SessionUser names whose session one of PeerSession is, by what outlasts it. Here that is the session's own name: a user's id.
func SessionUser(session string) string { return session }
