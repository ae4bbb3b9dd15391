/* SPDX-License-Identifier: GPL-2.0-only */
/* Counting the packets of hosts that have their row: nearly all. */
#ifndef MEZOURA_KNOWN_H
#define MEZOURA_KNOWN_H

#include "far.h"

/* The number of the row that an address should have; it is loaded for that from the packet. */
INLINE __u64 expected_row(const word *near, __u32 tag0, __u32 tag1, __u32 cpu, __u8 family)
{
	__u32 h = tag0 * MULTIPLIER(1) + tag1 * MULTIPLIER(2);

	if (family == FAMILY_IPV4)
		h += near[0] * MULTIPLIER(0);
	else
		h += near[3] * MULTIPLIER(0) + near[2] * MULTIPLIER(3) + near[1] * MULTIPLIER(4) +
		     near[0] * MULTIPLIER(5);
	return control.header.first + cpu * CONSTANT(CONST_AREA) + (h >> CONSTANT(CONST_SHIFT));
}

/*
 * The same for nearly all packets, and nothing else: an Ethernet frame with no tag in it, not a
 * super-packet, of a host that has the row which its hash names. Returns 0, and has done nothing,
 * for all others. Few values are alive at a time; what was loaded is loaded again rather than kept
 * on the stack.
 */
INLINE int count_known(struct __sk_buff *skb, struct variant v)
{
	const void *data = packet_start(skb);
	const __u8 *ip = data + ETH_SIZE;
	__u16 proto, print = 0;
	const void *near;
	struct account *a;
	struct row *row;
	__u32 cpu, tag0, tag1, far;
	__u64 n;

	if (unlikely(data + ETH_SIZE + IP6_SIZE > packet_end(skb)))
		return 0;
	proto = *(const half *)(data + 12);
	if (proto == bpf_htons(ETH_P_IP)) {
		if (unlikely((ip[0] & 0xf0) != 0x40))
			return 1;
		far = *(const word *)(ip + (v.download ? 12 : 16));
		if (unlikely(control.suspect4[first_byte(far)])) {
			enum far where = far_of4(far, control.header.rules);

			if (where)
				return where == FAR_INTERNAL;
		}
	} else if (likely(proto == bpf_htons(ETH_P_IPV6))) {
		if (unlikely((ip[0] & 0xf0) != 0x60))
			return 1;
		near = ip + (v.download ? 8 : 24); /* the far one, for the moment */
		if (unlikely(control.suspect6[first_byte(*(const word *)near)])) {
			const __u64 *w = near;
			enum far where = far_of6(w[0], w[1], first_byte(*(const word *)near),
						 control.header.rules);

			if (where)
				return where == FAR_INTERNAL;
		}
	} else {
		return !is_vlan(proto);
	}

	cpu = bpf_get_smp_processor_id();
	if (v.download) {
		tag0 = join(*(const half *)data, *(const half *)(data + 2));
		tag1 = join(*(const half *)(data + 4), 0);
	} else {
		tag0 = *(const word *)(data + 6);
		tag1 = join(*(const half *)(data + 10), 0);
	}
	row = rows;
	opaque(row);
	if (proto == bpf_htons(ETH_P_IP)) {
		near = ip + (v.download ? 16 : 12);
		tag1 |= CONSTANT(CONST_TAG4);
		n = expected_row(near, tag0, tag1, cpu, FAMILY_IPV4);
		if (unlikely(n >= CONSTANT(CONST_ROWS)))
			return 0;
		opaque(n);
		row += n;
		if (unlikely(row->key.addr[3] != *(const word *)near))
			return 0;
		if (v.port)
			print = print4(*(const word *)(ip + 4), (const word *)(ip + PRINT4_AT));
	} else {
		near = ip + (v.download ? 24 : 8);
		tag1 |= CONSTANT(CONST_TAG6);
		n = expected_row(near, tag0, tag1, cpu, FAMILY_IPV6);
		if (unlikely(n >= CONSTANT(CONST_ROWS)))
			return 0;
		opaque(n);
		row += n;
		if (unlikely(((const __u64 *)row->key.addr)[1] != ((const __u64 *)near)[1] ||
			     ((const __u64 *)row->key.addr)[0] != ((const __u64 *)near)[0]))
			return 0;
		if (v.port) {
			if (unlikely((const void *)ip + PRINT6_AT + 8 > packet_end(skb)))
				return 0;
			print = print6((const word *)(ip + PRINT6_AT));
		}
	}
	if (unlikely(row->key.tag[0] != tag0 || row->key.tag[1] != tag1 || skb->gso_size ||
		     skb->vlan_present))
		return 0;

	a = &row->account;
	if (v.port) {
		if (unlikely(a->port != (__u16)skb->ifindex))
			return 0;
		a->print = print;
	}
	a->seen = control.header.clock;
	if (v.download) {
		a->download.bytes += skb->len;
		a->download.packets++;
	} else {
		a->upload.bytes += skb->len;
		a->upload.packets++;
	}
	return 1;
}

#endif
