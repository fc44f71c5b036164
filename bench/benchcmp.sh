#!/usr/bin/env bash
# Compares the Go benchmarks of a commit with those of the working tree.
#
#	bench/benchcmp.sh REF [COUNT]
#
# The commit is checked out in a temporary worktree, which is removed again whatever happens. Both sides are built once and then run in
# turns, COUNT times (10 if not given), so that a machine that slows down does so for both. benchstat then says what differs and how sure
# that is. In the environment, BENCH is a regular expression of benchmarks, and BENCHTIME what -benchtime gets.
set -euo pipefail

ref=${1:?usage: benchcmp.sh REF [COUNT]}
count=${2:-10}
benchstat=golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
packages="ring fallback loop"

root=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
tmp=$(mktemp -d)
cleanup() {
	git -C "$root" worktree remove --force "$tmp/tree" 2>/dev/null || true
	rm -rf "$tmp"
	git -C "$root" worktree prune
}
trap cleanup EXIT
trap 'exit 130' INT TERM

git -C "$root" worktree add --quiet --detach "$tmp/tree" "$ref"

build() { # side directory
	for p in $packages; do
		(cd "$2" && go test -c -o "$tmp/$1-$p" "./$p")
	done
}

run() { # side directory
	for p in $packages; do
		(cd "$2/$p" && "$tmp/$1-$p" -test.run '^$' -test.bench "${BENCH:-.}" -test.benchmem -test.benchtime "${BENCHTIME:-300ms}") >>"$tmp/$1.txt"
	done
}

build old "$tmp/tree"
build new "$root"
for i in $(seq "$count"); do
	echo "round $i of $count" >&2
	if ((i % 2)); then
		run old "$tmp/tree"
		run new "$root"
	else
		run new "$root"
		run old "$tmp/tree"
	fi
done

cd "$tmp"
mv old.txt "${ref//\//-}"
mv new.txt working-tree
go run "$benchstat" "${ref//\//-}" working-tree
