/* SPDX-License-Identifier: GPL-2.0-only */
/* A packet as the programs know it. */
#ifndef MEZOURA_FRAME_H
#define MEZOURA_FRAME_H

#include "mezoura.bpf.h"
#include "parse.h"

/* Which program this is; known to the compiler, so that each has only its own code. */
struct variant {
	__u8 download; /* attached to egress */
	__u8 raw_ip;   /* the device's packets begin with the IP header */
	__u8 port;     /* of a bridge: a packet may leave by several at once */
};

struct address {
	__u32 word[4]; /* as on the wire; IPv4 in the last */
};

/* What a packet is counted by, besides its near address. */
struct frame {
	__u32 tag[2]; /* as in struct key */
	__u64 head;   /* bytes in front of the IP header */
	__u64 extra;  /* bytes of a tag that is in metadata, not in the packet */
	__u64 packets;
	__u64 bytes;
	__u16 print; /* fingerprint, 0 where nobody asks */
	__u16 vlan;  /* outermost tag's ID, 0 none */
	__u32 rules; /* in force when it came: both of its sides are judged by the same */
};

/* How much the packet is on the wire: what is in front of the IP header is known, and the family.
 */
INLINE void measure(struct __sk_buff *skb, struct frame *f, __u8 family)
{
	f->packets = 1;
	f->bytes = (__u64)skb->len + f->extra;
	if (unlikely(skb->gso_size)) {
		__u32 size = headers_size(skb, f->head, family), packets = skb->gso_segs;

		if (!packets && skb->len > size) /* from a guest or a tunnel: not counted yet */
			packets = (skb->len - size + skb->gso_size - 1) / skb->gso_size;
		if (packets > 1) {
			f->packets = packets;
			f->bytes += (__u64)(packets - 1) * (size + f->extra);
		}
	}
	forget(f->packets, skb->len);
	forget(f->bytes, skb->len);
}

/*
 * Fingerprints: what changes from packet to packet of one flow. IP's ID, and TCP's numbers or UDP's
 * length, checksum and first data. IPv6 has no ID, and its extension headers are taken for what
 * they are not. One word is shifted, or a number at the start of the data would cancel out what it
 * does to the checksum.
 */
#define PRINT4_AT 24 /* behind the start of the IP header: 8 bytes */
#define PRINT6_AT 44

INLINE __u16 fold(__u32 a)
{
	return a ^ a >> 16;
}

INLINE __u16 print4(__u32 id, const word *flow)
{
	return fold(id ^ flow[0] ^ flow[1] << 1);
}

INLINE __u16 print6(const word *flow)
{
	return fold(flow[0] ^ flow[1] << 1);
}

#endif
