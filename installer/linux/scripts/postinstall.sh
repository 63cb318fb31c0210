#!/bin/sh
# After the files of deb and rpm are in their place.
set -e
new=no
case "${1:-}" in
configure) # dpkg
	[ -n "${2:-}" ] && [ ! -e /run/tapcheck.new ] || new=yes
	rm -f /run/tapcheck.new
	;;
1) new=yes ;; # rpm
2) ;;
*) exit 0 ;;
esac

systemd-sysusers /usr/lib/sysusers.d/tapcheck.conf
# The group of the TPM, where there is one. It is not made: without it nobody but root uses the TPM.
if getent group tss >/dev/null; then usermod -a -G tss tapcheck || true; fi
# As tmpfiles.d/tapcheck.conf says; systemd-tmpfiles itself asks for /proc, which the making of an image may not have.
install -d -m 0775 -o root -g tapcheck /etc/tapcheck
install -d -m 0700 -o tapcheck -g tapcheck /var/lib/tapcheck
install -d -m 0755 -o root -g root /etc/tapcheck-policy.d

# The file is not one of the package's: nobody is asked about it, and no upgrade touches it.
config=/etc/tapcheck/tapcheck.toml
if [ $new = yes ] && [ ! -e $config ] && [ ! -L $config ]; then
	install -m 0664 -o root -g tapcheck /usr/share/tapcheck/tapcheck.toml $config
fi

# An administrator's "disable" outlives an upgrade.
[ $new = no ] || systemctl enable tapcheck.service tapcheck-update.timer >/dev/null 2>&1 || true

# Not in the making of an image, where nothing runs.
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
if command -v udevadm >/dev/null 2>&1; then
	udevadm control --reload >/dev/null 2>&1 && udevadm trigger --subsystem-match=hidraw >/dev/null 2>&1 || true
fi
if [ $new = yes ]; then
	systemctl start tapcheck-update.timer || true
	systemctl start tapcheck.service
else
	systemctl try-restart tapcheck.service
fi || echo "Tapcheck chưa chạy / does not run: systemctl status tapcheck" >&2 # and the package is installed all the same
