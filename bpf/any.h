/* SPDX-License-Identifier: GPL-2.0-only */
/* Counting any packet. */
#ifndef MEZOURA_ANY_H
#define MEZOURA_ANY_H

#include "far.h"
#include "near.h"

#define TC_ACT_UNSPEC (-1)

/* Adds a packet to its account, unless it is a copy of the last one. */
INLINE void add(struct __sk_buff *skb, struct account *a, const struct frame *f, struct variant v)
{
	if (v.port) {
		__u16 port = skb->ifindex;

		/*
		 * A frame to a MAC that the bridge does not know leaves by every port, one copy
		 * after the other on this CPU. So, a download by another port than the last: the
		 * same packet once more is a copy, another packet is a host that has moved.
		 */
		if (unlikely(a->port != port)) {
			if (a->port && a->print == f->print &&
			    (__u16)((__u16)control.header.clock - a->seen) <= 1)
				return;
			a->port = port;
		}
		a->print = f->print;
	}
	a->seen = control.header.clock;
	if (v.download) {
		a->download.bytes += f->bytes;
		a->download.packets += f->packets;
	} else {
		a->upload.bytes += f->bytes;
		a->upload.packets += f->packets;
	}
}

/*
 * May a frame with this tag belong to a network of the segment? If not, it is on its way to a VLAN
 * device above, which counts it, or to nobody.
 */
INLINE int vlan_is_ours(__u16 vlan, __u32 rules)
{
	const struct rules *r = &control.rules[rules & 1];
	const struct segment *s = &r->segments[CONSTANT(CONST_SEGMENT) & (MAX_SEGMENTS - 1)];

#pragma unroll /* a counter of known values can not be added to a pointer without CAP_PERFMON */
	for (int i = 0; i < MAX_VLANS; i++)
		if (s->vlans[i] == vlan)
			return 1;
	return 0;
}

/* An IP header on the stack: where tags are, what is raw, or lies where a program can not reach it.
 */
union headers {
	__u16 ethernet[11]; /* with two tags */
	__u32 ip4[5];
	__u32 ip6[10];
};

/* Counts any packet: copies what it looks at. */
INLINE int count_any(struct __sk_buff *skb, struct variant v)
{
	struct frame f = {.rules = *(const volatile __u32 *)&control.header.rules};
	struct address near = {}, far = {};
	enum far where = FAR_INTERNET;
	union headers h;
	struct account *a;
	__u32 flow[2] = {};
	__u16 proto = 0;
	__u8 first;

	if (v.raw_ip) {
		__u8 version;

		if (bpf_skb_load_bytes(skb, 0, &version, 1))
			return TC_ACT_UNSPEC;
		if (version >> 4 == 4)
			proto = bpf_htons(ETH_P_IP);
		else if (version >> 4 == 6)
			proto = bpf_htons(ETH_P_IPV6);
	} else {
		__u16 *e = h.ethernet;

		if (bpf_skb_load_bytes(skb, 0, e, ETH_SIZE))
			return TC_ACT_UNSPEC;
		f.head = ETH_SIZE;
		f.tag[0] = v.download ? join(e[0], e[1]) : join(e[3], e[4]);
		f.tag[1] = v.download ? join(e[2], 0) : join(e[5], 0);
		proto = e[6];
		if (is_vlan(proto)) {
			if (bpf_skb_load_bytes(skb, f.head, e + 7, VLAN_SIZE))
				return TC_ACT_UNSPEC;
			f.vlan = VLAN_ID(bpf_ntohs(e[7]));
			f.head += VLAN_SIZE;
			proto = e[8];
			if (is_vlan(proto)) {
				if (bpf_skb_load_bytes(skb, f.head, e + 9, VLAN_SIZE))
					return TC_ACT_UNSPEC;
				f.head += VLAN_SIZE;
				proto = e[10];
			}
		}
		if (skb->vlan_present) {
			f.vlan = VLAN_ID(skb->vlan_tci);
			f.extra = VLAN_SIZE;
		}
		if (f.vlan && !vlan_is_ours(f.vlan, f.rules))
			return TC_ACT_UNSPEC;
	}

	forget(f.head, skb->len);
	forget(f.extra, skb->len);
	if (proto == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, f.head, h.ip4, IP4_SIZE) ||
		    first_byte(h.ip4[0]) >> 4 != 4)
			return TC_ACT_UNSPEC;
		near.word[3] = h.ip4[v.download ? 4 : 3];
		far.word[3] = h.ip4[v.download ? 3 : 4];
		first = first_byte(far.word[3]);
		if (control.suspect4[first])
			where = far_of4(far.word[3], f.rules);
		if (where == FAR_ASK)
			where = far_of_trie(&far, FAMILY_IPV4, f.rules);
		if (where)
			return TC_ACT_UNSPEC;
		first = first_byte(near.word[3]);
		f.tag[1] |= CONSTANT(CONST_TAG4);
		if (v.port) {
			bpf_skb_load_bytes(skb, f.head + PRINT4_AT, flow, sizeof(flow));
			f.print = print4(h.ip4[1], flow);
		}
		measure(skb, &f, FAMILY_IPV4);
		a = account_of(&near, first, &f, FAMILY_IPV4, v);
	} else if (proto == bpf_htons(ETH_P_IPV6)) {
		__u32 *source = h.ip6 + 2, *target = h.ip6 + 6;

		if (bpf_skb_load_bytes(skb, f.head, h.ip6, IP6_SIZE) ||
		    first_byte(h.ip6[0]) >> 4 != 6)
			return TC_ACT_UNSPEC;
#pragma unroll
		for (int i = 0; i < 4; i++) {
			near.word[i] = (v.download ? target : source)[i];
			far.word[i] = (v.download ? source : target)[i];
		}
		first = first_byte(far.word[0]);
		if (control.suspect6[first])
			where = far_of6(join64(far.word[0], far.word[1]),
					join64(far.word[2], far.word[3]), first, f.rules);
		if (where == FAR_ASK)
			where = far_of_trie(&far, FAMILY_IPV6, f.rules);
		if (where)
			return TC_ACT_UNSPEC;
		first = first_byte(near.word[0]);
		f.tag[1] |= CONSTANT(CONST_TAG6);
		if (v.port) {
			if (bpf_skb_load_bytes(skb, f.head + PRINT6_AT, flow, sizeof(flow))) {
				flow[0] = h.ip6[0]; /* flow label */
				flow[1] = h.ip6[1]; /* and length, at least */
			}
			f.print = print6(flow);
		}
		measure(skb, &f, FAMILY_IPV6);
		a = account_of(&near, first, &f, FAMILY_IPV6, v);
	} else {
		return TC_ACT_UNSPEC;
	}
	if (a)
		add(skb, a, &f, v);
	return TC_ACT_UNSPEC;
}

#endif
