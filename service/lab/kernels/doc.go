// SPDX-License-Identifier: GPL-2.0-only

// Package kernels proves the classifier and the daemon on the kernels and machines that routers have, in qemu: from Linux
// 5.10 to the newest, 32 and 64 bits, both byte orders, with and without a JIT compiler. Of each row of the matrix it gets
// the kernel (Debian's, or one built from Debian's sources), cross-compiles the project's own test binaries and the daemon,
// and boots them (package guest); what they check is in the command inside.
//
// Lifetime. Kernels stay in a cache folder that several processes may share; everything else is in the Builder's folder.
//
// Concurrency. Functions and methods may be called from several goroutines; each architecture is built once.
package kernels
