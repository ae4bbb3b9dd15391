#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What can be told without running anything: run from the top of the tree.
set -eu
failed=0
say() { echo "check: $*" >&2; failed=1; }

for arch in el eb; do
	cp "bpf/object_bpf$arch.o" "build/object_bpf$arch.o.committed" 2>/dev/null || { mkdir -p build; cp "bpf/object_bpf$arch.o" "build/object_bpf$arch.o.committed"; }
done
(cd bpf && ${GO:-go} generate)
for arch in el eb; do
	cmp "bpf/object_bpf$arch.o" "build/object_bpf$arch.o.committed" || say "bpf/object_bpf$arch.o is not what the sources make: make generate, and commit it"
	rm -f "build/object_bpf$arch.o.committed"
done
clang-format-14 --dry-run --Werror bpf/*.c bpf/*.h || say "C is not formatted: clang-format-14 -i bpf/*.[ch]"

files=$(git ls-files '*.go' ':!bpf/object_*.go')
unformatted=$(gofmt -l $files)
[ -z "$unformatted" ] || say "not formatted: $unformatted"
for file in $(git ls-files '*.go' '*.c' '*.h' '*.sh' '*.js' '*.mjs' ':!bpf/object_*.go'); do
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-only' || say "$file has no SPDX line"
done

# A guarantee is worth the test that proves it.
for name in $(grep -oh '\<Test[A-Z][A-Za-z0-9]*' README.md ARCHITECTURE.md | sort -u); do
	git grep -q "^func $name(" -- '*_test.go' || say "README.md or ARCHITECTURE.md names $name, which is no test"
done

${GO:-go} vet ./... || say "go vet"
GOARCH=mips ${GO:-go} vet ./... || say "go vet for 32-bit big endian"
${GO:-go} tool -modfile=tools/go.mod staticcheck ./... || say "staticcheck"
exit $failed
