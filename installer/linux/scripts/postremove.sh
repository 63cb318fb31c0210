#!/bin/sh
# After the files are gone. Settings and data stay, but for a purge (rpm knows none).
set -e
case "${1:-}" in
remove | 0)
	[ ! -d /run/systemd/system ] || systemctl daemon-reload || true
	;;
purge)
	rm -rf /var/lib/tapcheck /etc/tapcheck /run/tapcheck /run/tapcheck.new /run/tapcheck.board
	rm -rf /etc/tapcheck-policy.d
	rm -rf /etc/systemd/system/tapcheck.service.d # what systemctl edit made, and tapcheck secret set
	rm -f /etc/credstore.encrypted/tapcheck.*
	rm -rf /var/lib/tapcheck-update /etc/tapcheck-update /etc/systemd/system/tapcheck-update.service.d /etc/systemd/system/tapcheck-update.timer.d
	if getent passwd tapcheck >/dev/null; then userdel tapcheck || true; fi
	if getent group tapcheck >/dev/null; then groupdel tapcheck || true; fi
	[ ! -d /run/systemd/system ] || systemctl daemon-reload || true
	;;
esac
