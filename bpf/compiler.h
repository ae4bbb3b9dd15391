/* SPDX-License-Identifier: GPL-2.0-only */
/* What the compiler and the verifier have to be told. */
#ifndef MEZOURA_COMPILER_H
#define MEZOURA_COMPILER_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define INLINE static __always_inline

#define NULL	    ((void *)0)
#define likely(c)   __builtin_expect(!!(c), 1)
#define unlikely(c) __builtin_expect(!!(c), 0)
#define barrier()   asm volatile("" ::: "memory")
#define opaque(v)   asm volatile("" : "+r"(v)) /* clang knows nothing of v any more */

/*
 * Makes the verifier forget what it knows of v: paths that differ in nothing else are one to it.
 * Without CAP_PERFMON it would follow every one of them to the end. unknown: what it knows nothing
 * of.
 */
#define forget(v, unknown) asm volatile("%0 ^= %1\n%0 ^= %1" : "+r"(v) : "r"((__u64)(unknown)))

#endif
