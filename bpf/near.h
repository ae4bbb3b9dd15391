/* SPDX-License-Identifier: GPL-2.0-only */
/* The account of a near address. */
#ifndef MEZOURA_NEAR_H
#define MEZOURA_NEAR_H

#include "tables.h"
#include "frame.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define TAG_GROUP_BIT 0x01u /* of a MAC, in tag[0] */
#else
#define TAG_GROUP_BIT 0x01000000u
#endif

#define OF_NOBODY	 (-2) /* in no watched prefix */
#define OF_OTHER_SEGMENT (-1) /* in a prefix that is counted where that network is */

/* The network of the near address, or one of the two above. Only new addresses come here. */
INLINE int network_of(const struct address *near, __u16 vlan, __u8 family, __u32 rules)
{
	struct local_key k = {
		.prefixlen = 8 * (sizeof(k) - sizeof(k.prefixlen)),
		.rules = rules & 1,
		.segment = CONSTANT(CONST_SEGMENT),
		.vlan = vlan,
		.family = family,
		.addr = {near->word[0], near->word[1], near->word[2], near->word[3]},
	};
	__u8 *network = bpf_map_lookup_elem(&locals, &k);

	if (network)
		return *network;
	k.vlan = VLAN_ANY;
	network = bpf_map_lookup_elem(&locals, &k);
	if (network)
		return *network;
	k.segment = SEGMENT_ANY;
	return bpf_map_lookup_elem(&locals, &k) ? OF_OTHER_SEGMENT : OF_NOBODY;
}

INLINE int same(const struct key *k, const struct address *near, const struct frame *f, __u8 family)
{
	if (k->addr[3] != near->word[3] || k->tag[1] != f->tag[1] || k->tag[0] != f->tag[0])
		return 0;
	return family == FAMILY_IPV4 ||
	       (k->addr[2] == near->word[2] && k->addr[1] == near->word[1] &&
		k->addr[0] == near->word[0]);
}

INLINE int same_address(const struct key *k, const struct address *near)
{
	return k->addr[3] == near->word[3] && k->addr[2] == near->word[2] &&
	       k->addr[1] == near->word[1] && k->addr[0] == near->word[0];
}

INLINE __u32 hash(const struct address *near, const struct frame *f, __u8 family)
{
	__u32 h = near->word[3] * MULTIPLIER(0) + f->tag[0] * MULTIPLIER(1) +
		  f->tag[1] * MULTIPLIER(2);

	if (family == FAMILY_IPV6)
		h += near->word[2] * MULTIPLIER(3) + near->word[1] * MULTIPLIER(4) +
		     near->word[0] * MULTIPLIER(5);
	return h;
}

/* Steps 3 to 6. NULL for what is not to be counted. near_first is the first byte of the near
 * address. */
INLINE struct account *account_of(const struct address *near, __u8 near_first,
				  const struct frame *f, __u8 family, struct variant v)
{
	__u32 cpu = bpf_get_smp_processor_id();
	__u32 first = control.header.first;
	__u64 slots = first + cpu * CONSTANT(CONST_AREA);
	__u64 n = slots + (hash(near, f, family) >> CONSTANT(CONST_SHIFT));
	struct row *row = row_at(n);
	enum reason why = REASON_NO_PREFIX;
	int network;

	if (unlikely(!row))
		return NULL;
	if (likely(same(&row->key, near, f, family)))
		return &row->account;
	if (row->key.tag[1]) {
		row = row_at(n ^ 1);
		if (!row)
			return NULL;
		if (same(&row->key, near, f, family))
			return &row->account;
	}

	struct overflow_key ok = {
		.key = {.addr = {near->word[0], near->word[1], near->word[2], near->word[3]},
			.tag = {f->tag[0], f->tag[1]}},
		.cpu = cpu,
	};
	struct account *a;

	if (!(family == FAMILY_IPV4 ? control.local4[near_first] : control.local6[near_first]))
		goto nobody;
	if (row->key.tag[1]) {
		a = overflow_account(&ok, first != REASON_COUNT, -1);
		if (a)
			return a;
	}

	network = network_of(near, f->vlan, family, f->rules);
	if (network == OF_OTHER_SEGMENT)
		return NULL;
	if (network == OF_NOBODY) {
	nobody:
		if (v.download && (family == FAMILY_IPV4 ? near_first >= 224 : near_first == 0xff))
			why = REASON_MULTICAST;
		goto unattributed;
	}
	if (!v.raw_ip && f->tag[0] & TAG_GROUP_BIT) {
		why = v.download ? REASON_MULTICAST : REASON_MALFORMED;
		goto unattributed;
	}

	if (!row->key.tag[1]) {
		row->account.network = network;
		row->key.addr[0] = near->word[0];
		row->key.addr[1] = near->word[1];
		row->key.addr[2] = near->word[2];
		row->key.addr[3] = near->word[3];
		row->key.tag[0] = f->tag[0];
		barrier(); /* last the family: with it the row is taken, and readers look at it */
		row->key.tag[1] = f->tag[1];
		return &row->account;
	}
	a = overflow_account(&ok, first != REASON_COUNT, network);
	if (a)
		return a;
	why = REASON_TABLE_FULL;

unattributed:
	row = row_at(slots - REASON_COUNT + why);
	if (!row)
		return NULL;
	if (v.port) {
		/* Of many hosts: only what goes to the same one can be a copy. Port 0 is no copy of
		 * anything. */
		if (!same_address(&row->key, near))
			row->account.port = 0;
		row->key.addr[0] = near->word[0];
		row->key.addr[1] = near->word[1];
		row->key.addr[2] = near->word[2];
		row->key.addr[3] = near->word[3];
	}
	return &row->account;
}

#endif
