// SPDX-License-Identifier: GPL-2.0-only

package bpf

// The objects are committed, so that neither a user nor a build host needs clang. Their bytes depend on the
// compiler, which is why it is named with its version.
//
//go:generate go tool -modfile=../tools/go.mod bpf2go -cc clang-14 -strip llvm-strip-14 -no-global-types -output-stem object -cflags "-O2 -g -Wall -Wextra -Werror -mcpu=v3 -fdebug-prefix-map=$PWD=. -I/usr/include/x86_64-linux-gnu" -target bpfel,bpfeb object mezoura.bpf.c
