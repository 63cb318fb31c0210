#!/bin/sh
# Before the files are taken away. An upgrade goes on running until the new version is there.
set -e
case "${1:-}" in
remove | 0) ;;
*) exit 0 ;;
esac
# Out of the browsers' policies, where tapcheck setup --browsers has put something in.
/usr/bin/tapcheck setup --remove >/dev/null 2>&1 || true
systemctl --quiet disable tapcheck.service tapcheck-update.timer >/dev/null 2>&1 || true
[ -d /run/systemd/system ] || exit 0
systemctl stop tapcheck-update.timer tapcheck.service || true
