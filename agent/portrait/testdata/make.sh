#!/bin/sh
# Makes the JPEG 2000 pictures of this folder, a drawn gradient, with OpenJPEG's opj_compress: an encoder that shares no
# code with our decoder. The tests need none: run this only to make the files anew, from within this folder.
set -eu
LC_ALL=C # or awk writes characters above 127 as UTF-8
export LC_ALL
out=$(pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
awk 'BEGIN { printf "P6\n64 80\n255\n"; for (y = 0; y < 80; y++) for (x = 0; x < 64; x++) printf "%c%c%c", x * 4, y * 3, 255 - x * 2 - y }' > "$tmp/c.ppm"
awk 'BEGIN { printf "P5\n64 80\n255\n"; for (y = 0; y < 80; y++) for (x = 0; x < 64; x++) printf "%c", x * 2 + y }' > "$tmp/g.pgm"
opj_compress -i "$tmp/c.ppm" -o "$out/colour.jp2" -I -r 10 > /dev/null
opj_compress -i "$tmp/c.ppm" -o "$out/colour.j2k" > /dev/null
opj_compress -i "$tmp/c.ppm" -o "$out/tiles.j2k" -t 32,32 -r 5 > /dev/null
opj_compress -i "$tmp/g.pgm" -o "$out/grey.jp2" > /dev/null
