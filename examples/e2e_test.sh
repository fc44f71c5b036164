#!/usr/bin/env bash
# Drives the examples as a user would, with programs of others on the other side, on every backend. LOOP_E2E_BACKENDS
# replaces the list of backends, for machines without io_uring.
set -euo pipefail
cd "$(dirname "$0")/.."
unset LOOP_BACKEND LOOP_WORKERS

for tool in socat cmp dd truncate stat timeout; do
	command -v "$tool" >/dev/null || { echo "e2e: $tool is missing: install it (Debian: socat diffutils coreutils)" >&2; exit 1; }
done

work=$(mktemp -d)
server=
cleanup() {
	if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi
	rm -rf "$work"
}
trap cleanup EXIT

go build -o "$work/" ./examples/...

check=
fail() { echo "FAIL  $check: $*" >&2; exit 1; }
begin() { check="$backend: $*"; }
passed() { echo "ok    $check"; }

# refuses runs copy, which must exit with 1 and one line that holds both words.
refuses() {
	local path=$1 reason=$2 code=0
	shift 2
	timeout 60 "$work/copy" -backend "$backend" "$@" >"$work/out" 2>"$work/err" || code=$?
	[ "$code" = 1 ] || fail "exit code $code"
	[ "$(wc -l <"$work/err")" = 1 ] || fail "not one line: $(cat "$work/err")"
	grep -qF -- "$path" "$work/err" && grep -qF -- "$reason" "$work/err" || fail "$(cat "$work/err")"
}

start_echo() {
	rm -f "$work/line" # or the line of the last backend's server might be read
	"$work/echo" -addr 127.0.0.1:0 -backend "$backend" >"$work/line" 2>"$work/err" &
	server=$!
	for _ in $(seq 200); do
		[ -s "$work/line" ] && break
		kill -0 "$server" 2>/dev/null || break
		sleep 0.05
	done
	address=$(sed -n "s/^listening on \(.*\), backend $backend\$/\1/p" "$work/line")
	[ -n "$address" ] || fail "no address: $(cat "$work/line" "$work/err")"
}

# through echoes a file and compares what comes back.
through() {
	timeout 120 socat -t 60 - "TCP:$address" <"$1" >"$1.back" || fail "socat: exit code $?"
	cmp "$1" "$1.back" || fail "other bytes came back"
	rm "$1.back"
}

check_echo() {
	begin echo starts
	start_echo
	passed

	for size in 0 1 65537 8388608; do
		begin "echo returns $size bytes"
		dd if=/dev/urandom of="$work/data" bs=65537 count=$((size / 65537 + 1)) status=none
		truncate -s "$size" "$work/data"
		through "$work/data"
		passed
	done

	begin echo serves 20 connections at once
	local clients=()
	for i in $(seq 20); do
		dd if=/dev/urandom of="$work/data.$i" bs=100003 count="$i" status=none
		through "$work/data.$i" &
		clients+=($!)
	done
	for client in "${clients[@]}"; do wait "$client" || fail "a connection failed"; done
	passed

	begin echo refuses an address in use
	timeout 60 "$work/echo" -addr "$address" -backend "$backend" >"$work/out" 2>"$work/err2" && fail "it started"
	grep -q 'address already in use' "$work/err2" || fail "$(cat "$work/err2")"
	passed

	begin echo ends cleanly on interrupt
	exec 3<>"/dev/tcp/${address%:*}/${address##*:}" # a connection that says nothing
	kill -TERM "$server"
	wait "$server" || fail "exit code $?"
	server=
	timeout 60 cat <&3 >"$work/out" || fail "the idle connection does not end"
	exec 3>&-
	[ ! -s "$work/err" ] || fail "$(cat "$work/err")"
	passed
}

check_copy() {
	for flags in "" "-block 4k -depth 64" "-block 1m -depth 1" "-direct"; do
		for size in 0 1 4095 4096 262144 5000001 16777216; do
			begin "copy $flags of $size bytes"
			dd if=/dev/urandom of="$work/src" bs=1M count=$((size / 1048576 + 1)) status=none
			truncate -s "$size" "$work/src"
			chmod 0640 "$work/src"
			rm -f "$work/dst"
			# shellcheck disable=SC2086
			timeout 60 "$work/copy" -backend "$backend" $flags "$work/src" "$work/dst" >"$work/out" 2>"$work/err" ||
				fail "$(cat "$work/err")"
			cmp "$work/src" "$work/dst" || fail "other bytes"
			[ "$(stat -c %a "$work/dst")" = 640 ] || fail "mode $(stat -c %a "$work/dst")"
			grep -q "^copied $size bytes" "$work/out" || fail "$(cat "$work/out")"
			passed
		done
	done

	begin copy refuses a missing source
	refuses "$work/missing" "no such file" "$work/missing" "$work/new"
	passed
	begin copy refuses a directory
	refuses "$work" "is a directory" "$work" "$work/new"
	passed
	begin copy refuses a target that cannot be written
	refuses "$work/nowhere/new" "no such file" "$work/src" "$work/nowhere/new"
	passed
	begin copy refuses to copy a file onto itself
	refuses "$work/src" "same file" "$work/src" "$work/src"
	passed

	mkdir -p "$work/small"
	if mount -t tmpfs -o size=1m tmpfs "$work/small" 2>/dev/null; then
		begin copy reports a full disk and leaves nothing
		refuses "$work/small/new" "no space left" "$work/src" "$work/small/new"
		[ -z "$(ls -A "$work/small")" ] || fail "left $(ls -A "$work/small")"
		passed
		umount "$work/small"
	else
		echo "skip  $backend: a full disk: only root can mount one"
	fi

	begin copy leaves nothing when interrupted
	truncate -s 1G "$work/src"
	mkdir "$work/target"
	"$work/copy" -backend "$backend" -block 16 -depth 1 "$work/src" "$work/target/new" >"$work/out" 2>"$work/err" &
	server=$!
	for _ in $(seq 200); do
		[ -n "$(ls -A "$work/target")" ] && break
		sleep 0.05
	done
	kill -TERM "$server"
	wait "$server" && fail "it claims success"
	server=
	grep -q interrupted "$work/err" || fail "$(cat "$work/err")"
	[ -z "$(ls -A "$work/target")" ] || fail "left $(ls -A "$work/target")"
	rm -r "$work/target"
	passed
}

check_phases() {
	begin phases prints the order
	timeout 60 "$work/phases" -backend "$backend" >"$work/out" 2>"$work/err" || fail "$(cat "$work/err")"
	cmp "$work/out" examples/phases/testdata/order.txt || fail "another order"
	passed
}

check_trace() {
	begin trace writes one, and draw draws it
	timeout 60 "$work/trace" -backend "$backend" -dir "$work" -direct=false -o "$work/trace.json" >"$work/out" 2>"$work/err" ||
		fail "$(cat "$work/err")"
	grep -q "^400 requests on $backend" "$work/out" || fail "$(cat "$work/out")"
	timeout 60 "$work/draw" -turn 10 -turns 5 -o "$work/trace.svg" "$work/trace.json" 2>"$work/err" || fail "$(cat "$work/err")"
	grep -q '</svg>' "$work/trace.svg" || fail "no picture"
	passed
}

for backend in ${LOOP_E2E_BACKENDS:-uring epoll poll}; do
	check_echo
	check_copy
	check_phases
	check_trace
done
echo "all passed"
