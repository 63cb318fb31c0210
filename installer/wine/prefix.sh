#!/bin/sh
# Makes a Windows for tests: a Wine prefix with what Wine 8 lacks, and a stand-in for winscard.dll in its System32.
#
#   installer/wine/prefix.sh FOLDER   makes it where it is not there or another version of these files made it; prints nothing.
#
# In FOLDER lie afterwards: prefix, planted/winscard.dll (an attacker's), careless.exe, and the script `wine`, which runs a
# Windows program in it, as `go test -exec` wants it, and `wine --stop`, which ends what the prefix still runs.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
home=$(cd "$1" && pwd)

for loader in /usr/lib/wine/wine64 "$(command -v wine64 || true)"; do
	[ -x "$loader" ] && break
done
server=$(dirname "$loader")/wineserver64
[ -x "$server" ] || server=$(command -v wineserver || true)
if [ ! -x "$loader" ] || [ -z "$server" ] || ! command -v x86_64-w64-mingw32-gcc >/dev/null 2>&1; then
	echo "Wine and mingw-w64 are not here: installer/setup.sh windows installs them." >&2
	exit 1
fi

# Everything that is made depends on these files and on Wine.
stamp=$({ cat "$here"/*.c "$0"; "$loader" --version; } | sha256sum | cut -d' ' -f1)
[ "$(cat "$home/stamp" 2>/dev/null)" = "$stamp" ] && exit 0

# Nobody but us: Wine shows a file's mode as its access list, and our key files want that nobody else is on it. The same prefix
# always runs with it, because the first program starts the server that makes the files.
umask 077
cat >"$home/wine" <<EOF
#!/bin/sh
umask 077
unset DISPLAY WAYLAND_DISPLAY
export WINEPREFIX="$home/prefix" WINEDEBUG="\${WINEDEBUG:--all}" WINEDLLOVERRIDES="mscoree,mshtml=;winscard=n,b"
[ "\${1:-}" = --stop ] && exec "$server" -k
exec "$loader" "\$@"
EOF
chmod 755 "$home/wine"

[ -d "$home/prefix" ] && { "$home/wine" --stop || true; rm -rf "$home/prefix"; }
"$home/wine" wineboot -i >/dev/null 2>&1
"$home/wine" winecfg -v win10 >/dev/null 2>&1

system="$home/prefix/drive_c/windows/system32"
mkdir -p "$home/planted"
dll() { x86_64-w64-mingw32-gcc -shared -O2 -Wall -Wextra -Werror "$@"; }
dll -o "$system/bcryptprimitives.dll" "$here/bcryptprimitives.c" -ladvapi32
rm -f "$system/winscard.dll"
dll -o "$system/winscard.dll" "$here/winscard.c" -lws2_32
dll -DPLANTED -o "$home/planted/winscard.dll" "$here/winscard.c" -lws2_32
x86_64-w64-mingw32-gcc -O2 -Wall -o "$home/planted/careless.exe" "$here/careless.c"
echo "$stamp" >"$home/stamp"
