#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Runs every fuzz target of the module for so many seconds each, one worker to a target and as many targets at a time as
# there are processors. What is found lies in testdata/fuzz of its package, where plain `go test` runs it from then on.
#
#     tools/fuzz.sh [seconds [pattern]]     from the top of the tree; pattern: targets as in "./ubus/blobmsg FuzzParse"
set -eu
go=${GO:-go}

# one PACKAGE TARGET SECONDS LOGS: with this, the script calls itself.
if [ "${1:-}" = one ]; then
	log="$5/$(echo "$2.$3" | tr -c 'a-zA-Z0-9\n' _)" failed=
	# Inputs are not made smaller for long: by default that may take longer than the whole run.
	$go test -run '^$' -fuzz "^$3\$" -fuzztime "$4s" -fuzzminimizetime 1s -parallel 1 "$2" >"$log" 2>&1 || failed=1
	# The end of the time may meet an input half way; Go calls that a failure, without an input.
	if [ -n "$failed" ] && grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"; then failed=; fi
	inputs=$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$log" | tail -n 1)
	# Whoever hangs on an input is not noticed by Go.
	if [ -z "$failed" ] && [ "${inputs:-0}" -lt 100 ]; then
		echo "only ${inputs:-0} inputs: does it hang?" >>"$log"
		failed=1
	fi
	if [ -z "$failed" ]; then
		echo "ok    $2 $3: $inputs inputs"
		exit 0
	fi
	echo "FAIL  $2 $3"
	sed 's/^/      /' "$log"
	entry=$(sed -n 's/.*Failing input written to \(.*\)$/\1/p' "$log")
	[ -z "$entry" ] || echo "      the input: ${2#./}/$entry; $go test -run '$3/$(basename "$entry")' $2 repeats it"
	exit 1
fi

seconds=${1:-30} pattern=${2:-.}
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
module=$($go list -m)
$go test -list '^Fuzz' ./... >"$logs/list"
awk -v module="$module" '/^Fuzz/ { names[n++] = $1 }
	/^ok/ { sub(module, ".", $2); for (i = 0; i < n; i++) print $2, names[i]; n = 0 }' "$logs/list" | grep -E -- "$pattern" >"$logs/targets"
echo "fuzz: $(wc -l <"$logs/targets") targets, $seconds s each"
sed "s|\$| $seconds $logs|" "$logs/targets" | xargs -P "$(getconf _NPROCESSORS_ONLN)" -L 1 "$0" one
