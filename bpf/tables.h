/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps, and the load-time constants of the programs. */
#ifndef MEZOURA_TABLES_H
#define MEZOURA_TABLES_H

#include "mezoura.bpf.h"
#include "compiler.h"

/*
 * Load-time constants: the loader replaces these immediates (load.go), which costs less than
 * reading a variable and leaves the verifier nothing to follow. For arithmetic that must not be
 * folded, constant() hides the value from clang.
 */
#define MULTIPLIER(n) (0x6d7a0001u + 2 * (n)) /* n: 0..5 */
#define CONST_SEGMENT 0x6d7a0101
#define CONST_AREA    0x6d7a0102 /* rows of an area */
#define CONST_ROWS    0x6d7a0103 /* all rows */
#define CONST_SHIFT   0x6d7a0104 /* 32 - log2(slots) */
#define CONST_TAG4    0x6d7a0105 /* tag[1] of the segment and IPv4, without a MAC */
#define CONST_TAG6    0x6d7a0106 /* and IPv6 */

#define constant(c)                                                                                \
	({                                                                                         \
		__u64 c_;                                                                          \
		asm("%0 = " #c : "=r"(c_));                                                        \
		c_;                                                                                \
	})
#define CONSTANT(c)  CONSTANT_(c)
#define CONSTANT_(c) constant(c)

/*
 * One value: half x CPU x (reasons, slots). bounds: size set at load, clamped before use. who
 * writes: in the half in use, the CPU whose area it is; in the half that rests, the daemon through
 * mmap.
 */
struct row rows[16] SEC(".data.rows");

/*
 * key: address and CPU. value: its counts. bounds: max_entries is set at load; memory is taken by
 * the entry. who writes: in the half in use, the CPU in the key; the half that rests is emptied by
 * the daemon.
 */
struct overflow {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct overflow_key);
	__type(value, struct account);
};
struct overflow overflow0 SEC(".maps");
struct overflow overflow1 SEC(".maps");

/*
 * key: segment, VLAN and watched prefix. value: number of the network. bounds: each prefix stands
 * for its VLAN, for all VLANs and for all segments, in both rules. And, as SEGMENT_FAR, the
 * prefixes that are not the internet and have no room in a block. who writes: the daemon, the rules
 * not in force.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * 2 * 4 * MAX_PREFIXES);
	__type(key, struct local_key);
	__type(value, __u8);
} locals SEC(".maps");

/* One value. who writes: the daemon through mmap; of the rules those not in force. */
struct control control SEC(".data.control");

/* A row by its number, or NULL if there are not so many. */
INLINE struct row *row_at(__u64 n)
{
	struct row *first = rows;

	opaque(first); /* there are more rows than clang knows */
	if (unlikely(n >= CONSTANT(CONST_ROWS)))
		return NULL;
	opaque(n); /* not to be used before it is compared */
	return first + n;
}

/* The account in the overflow table, made for a network if that is not negative. */
INLINE struct account *overflow_account(const struct overflow_key *k, __u32 half, int network)
{
	struct account fresh = {.network = network};

	if (half) {
		if (network >= 0)
			bpf_map_update_elem(&overflow1, k, &fresh, BPF_NOEXIST);
		return bpf_map_lookup_elem(&overflow1, k);
	}
	if (network >= 0)
		bpf_map_update_elem(&overflow0, k, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&overflow0, k);
}

#endif
