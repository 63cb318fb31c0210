// Package windows makes the Windows installer (msi.sh, tapcheck.wxs) and holds the test of its life under Wine.
// See README.md for what IT may set, and CHECKLIST.md for what only a real Windows shows.
package windows
