#!/bin/sh
# Makes the Windows installer: installer/windows/msi.sh VERSION EXE SUPPLY MSI
#
# SUPPLY is the folder with what installer/supply says of the program: licences of its parts, bills of materials.
#
# Signed where TAPCHECK_SIGN_CERT and TAPCHECK_SIGN_KEY name a certificate and its key (PEM); TAPCHECK_SIGN_TSA names a server for
# the time stamp. Where they are not set it says that the installer is not signed.
#
# A later version must have a higher number in its first three parts. The program's bytes are reproducible, the MSI's are not:
# wixl gives each a code and a time of its own.
set -eu
[ $# = 4 ] || { echo "usage: installer/windows/msi.sh VERSION EXE SUPPLY MSI" >&2; exit 2; }
version=$1 exe=$2 supply=$3 msi=$4
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

sign() { # FILE, in place
	[ -n "${TAPCHECK_SIGN_CERT:-}" ] && [ -n "${TAPCHECK_SIGN_KEY:-}" ] || return 0
	set -- "$1" ${TAPCHECK_SIGN_TSA:+-ts "$TAPCHECK_SIGN_TSA"}
	file=$1
	shift
	osslsigncode sign -h sha256 -certs "$TAPCHECK_SIGN_CERT" -key "$TAPCHECK_SIGN_KEY" -n Tapcheck "$@" -in "$file" -out "$tmp/signed" >/dev/null
	mv "$tmp/signed" "$file"
}

# The exe that is in the MSI is signed, too.
cp "$exe" "$tmp/tapcheck.exe"
sign "$tmp/tapcheck.exe"
cp "$supply/THIRD-PARTY.txt" "$supply/tapcheck.cdx.json" "$supply/tapcheck.spdx.json" "$tmp/"
sed 's/$/\r/' "$here/../../LICENSE" >"$tmp/LICENSE.txt" # for Notepad

out="$tmp/tapcheck.msi"
# wixl takes files of its own folder.
(cd "$tmp" && wixl -a x64 -D "Version=$version" -D Exe=tapcheck.exe -o "$out" "$here/tapcheck.wxs")
sql() { msibuild "$out" -q "$1"; }

# Windows keeps a file with a version in place of one without: the program's own stands in its resources (make build-windows).
sql "UPDATE \`File\` SET \`Version\`='$version.0', \`Language\`='1033' WHERE \`File\`='TapcheckExe'"

# Properties of the command line reach the part that runs as SYSTEM only by being named.
sql "UPDATE \`Property\` SET \`Value\`='HISORIGINS;HISKEYFILE;PORTS;DESK;FACILITY;GATEWAYFILE;TRUSTFOLDER;DATAFOLDER;SERVICEACCOUNT;BROWSERPOLICIES;REMOVEDATA;WIX_UPGRADE_DETECTED;WIX_DOWNGRADE_DETECTED' WHERE \`Property\`='SecureCustomProperties'"

# The same version again is an upgrade too (513: and with VersionMax): a build that is repaired has no new number.
msiinfo export "$out" Upgrade | sed "s/\t1\t\tWIX_UPGRADE_DETECTED/\t513\t\tWIX_UPGRADE_DETECTED/" >"$tmp/Upgrade.idt"
grep -q "	513	" "$tmp/Upgrade.idt" || { echo "no row of upgrades in the MSI" >&2; exit 1; }
msibuild "$out" -i "$tmp/Upgrade.idt"

# A folder is remembered only where one was given.
sql "UPDATE \`Component\` SET \`Condition\`='DATAFOLDER' WHERE \`Component\`='Told'"

# The shortcut's program has a console window; it opens small.
sql "UPDATE \`Shortcut\` SET \`ShowCmd\`=7"

# The service alone, beside the administrators, may write its port; users read it. The entry does not go down to Install.
service=S-1-5-80-1513941343-2547386427-520807975-511011366-3299246271 # NT SERVICE\tapcheck, as agent/keys/acl.go has it
row=$(msiinfo export "$out" Registry | tr -d '\r' | awk -F'\t' '$3 == "SOFTWARE\\Tapcheck" && $4 == "Version" {print $1}')
[ -n "$row" ] || { echo "no row of SOFTWARE\\Tapcheck in the MSI" >&2; exit 1; }
printf 'MsiLockPermissionsEx\tLockObject\tTable\tSDDLText\tCondition\r\ns72\ts72\ts32\ts0\tS255\r\nMsiLockPermissionsEx\tMsiLockPermissionsEx\r\nPortKey\t%s\tRegistry\tD:P(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;CI;KR;;;BU)(A;;KRKW;;;%s)\t\r\n' "$row" "$service" >"$tmp/MsiLockPermissionsEx.idt"
msibuild "$out" -i "$tmp/MsiLockPermissionsEx.idt"

sign "$out"
mkdir -p "$(dirname "$msi")"
mv "$out" "$msi"
if [ -n "${TAPCHECK_SIGN_CERT:-}" ] && [ -n "${TAPCHECK_SIGN_KEY:-}" ]; then
	echo "$msi: signed, and so is the program in it"
else
	echo "$msi: NOT SIGNED (set TAPCHECK_SIGN_CERT and TAPCHECK_SIGN_KEY): Windows will say that its publisher is unknown" >&2
fi
