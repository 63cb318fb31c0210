#!/usr/bin/env bash
# Fuzzes every target of the tree, each for the time or the number of executions that is given: installer/fuzz.sh 10m, or 100x
#
# A line a target: package, name, what it ran. Ends with 1 at the first finding, whose input then lies in the package's
# testdata/fuzz, to become a test.
set -euo pipefail
time=${1:?usage: installer/fuzz.sh TIME}
# A number of executions is a test: it begins with the seeds alone, whatever earlier runs have found on this machine.
case "$time" in *x) cache=seeds ;; *) cache="" ;; esac
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for package in $(go list ./...); do
	folder=$(go list -f '{{.Dir}}' "$package")
	grep -qs '^func Fuzz' "$folder"/*_test.go || continue
	go test -c -fuzz=. -o "$dir/fuzz" "$package" # once a package, with the fuzzer's instruments
	names=$(cd "$folder" && "$dir/fuzz" -test.list '^Fuzz')
	for name in $(grep '^Fuzz' <<<"$names"); do
		# Without minimizing: it would take most of the time, and a finding can be made small afterwards.
		log=$(cd "$folder" && "$dir/fuzz" -test.run '^$' -test.fuzz "^$name\$" -test.fuzztime "$time" -test.fuzzminimizetime 1x \
			-test.fuzzcachedir "${cache:+$dir/}${cache:-$(go env GOCACHE)/fuzz}/$package" 2>&1 </dev/null) || { echo "$package $name"; echo "$log"; exit 1; }
		echo "$package $name $(grep 'execs' <<<"$log" | tail -n 1)"
	done
done
