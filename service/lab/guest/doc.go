// SPDX-License-Identifier: GPL-2.0-only

// Package guest runs a test binary on another Linux kernel: a Debian kernel package booted in qemu, with an initramfs
// that holds the binary, the tools it calls and the modules it needs. It is how the laboratory tests what the kernel
// of this machine lacks, and how kernels that routers have are tested on a developer's machine.
//
// Lifetime. Fetch keeps kernels in a cache folder that several processes may share. Boot runs one guest to its end;
// cancelling its context ends it. Nothing else is left behind.
//
// Concurrency. Functions may be called from several goroutines.
package guest
