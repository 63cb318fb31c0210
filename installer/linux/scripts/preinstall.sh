#!/bin/sh
# Before the files of deb and rpm are put in their place.
set -e

# An older version is refused (rpm does that by itself): it may not know what the newer one has written. dpkg names both.
if [ "${1:-}" = upgrade ] && [ -n "${3:-}" ] && dpkg --compare-versions "$3" lt "$2"; then
	if [ "${TAPCHECK_DOWNGRADE:-}" != yes ]; then
		echo "Tapcheck $2 mới hơn $3 đang được cài đè; đã từ chối. Nếu thật sự muốn: TAPCHECK_DOWNGRADE=yes dpkg -i …" >&2
		echo "Tapcheck $2 is here and $3 is older; refused. If that is meant: TAPCHECK_DOWNGRADE=yes dpkg -i …" >&2
		exit 1
	fi
fi

# dpkg tells postinst a version also where the package had been removed; that counts as new.
[ "${1:-}" != install ] || : >/run/tapcheck.new
