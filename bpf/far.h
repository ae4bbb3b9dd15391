/* SPDX-License-Identifier: GPL-2.0-only */
/* Which far addresses are not on the internet. */
#ifndef MEZOURA_FAR_H
#define MEZOURA_FAR_H

#include "tables.h"
#include "frame.h"

/* Is a far address with a suspect first byte on the internet? */
enum far {
	FAR_INTERNET,
	FAR_INTERNAL,
	FAR_ASK, /* the trie */
};

INLINE enum far far_of4(__u32 addr, __u32 rules)
{
	const struct rules *r = &control.rules[rules & 1];
	__u64 class = r->class4[first_byte(addr)];
	const struct block4 *b;

	if (!(class & CLASS_BLOCK))
		return class;
	b = &r->block4[class & (MAX_BLOCKS - 1)];
#pragma unroll
	for (int i = 0; i < BLOCK_SIZE; i++) {
		if (!b->check[i].mask)
			break;
		if ((addr & b->check[i].mask) == b->check[i].addr)
			return FAR_INTERNAL;
	}
	return FAR_INTERNET;
}

/* 64 bits of the address each, as on the wire. */
INLINE enum far far_of6(__u64 high, __u64 low, __u8 first, __u32 rules)
{
	const struct rules *r = &control.rules[rules & 1];
	__u64 class = r->class6[first];
	const struct block6 *b;

	if (!(class & CLASS_BLOCK))
		return class;
	b = &r->block6[class & (MAX_BLOCKS - 1)];
#pragma unroll
	for (int i = 0; i < BLOCK_SIZE; i++) {
		if (!b->check[i].mask[0])
			break;
		if ((high & b->check[i].mask[0]) == b->check[i].addr[0] &&
		    (low & b->check[i].mask[1]) == b->check[i].addr[1])
			return FAR_INTERNAL;
	}
	return FAR_INTERNET;
}

/* The same by the trie. */
INLINE enum far far_of_trie(const struct address *far, __u8 family, __u32 rules)
{
	struct local_key k = {
		.prefixlen = 8 * (sizeof(k) - sizeof(k.prefixlen)),
		.rules = rules & 1,
		.segment = SEGMENT_FAR,
		.vlan = VLAN_ANY,
		.family = family,
		.addr = {far->word[0], far->word[1], far->word[2], far->word[3]},
	};

	return bpf_map_lookup_elem(&locals, &k) ? FAR_INTERNAL : FAR_INTERNET;
}

#endif
