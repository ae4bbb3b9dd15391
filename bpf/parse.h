/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads from a packet, and how long the headers are that every segment of a super-packet repeats.
 *
 * Direct loads keep to the alignment that a 32-bit router demands: the verifier there takes a frame
 * to start 2 bytes behind a word, so that behind an Ethernet header of 14 bytes IP's words are
 * aligned. They are at constant offsets: without CAP_PERFMON nothing else may be added to the
 * packet's pointer.
 */
#ifndef MEZOURA_PARSE_H
#define MEZOURA_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>

#include "compiler.h"

#define ETH_SIZE  14
#define VLAN_SIZE 4
#define IP4_SIZE  20
#define IP6_SIZE  40

#define VLAN_ID(tci) ((tci)&0x0fff)

typedef __u16 half __attribute__((may_alias));
typedef __u32 word __attribute__((may_alias));

/*
 * The bounds of what a program may load directly. In assembler, since clang would otherwise move
 * one of them through a 32-bit register, and the verifier would no longer know it for a packet
 * pointer.
 */
#define CTX_POINTER(skb, field)                                                                    \
	({                                                                                         \
		const void *p_;                                                                    \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                                              \
			     : "=r"(p_)                                                            \
			     : "r"(skb), "i"(__builtin_offsetof(struct __sk_buff, field)));        \
		p_;                                                                                \
	})
#define packet_start(skb) CTX_POINTER(skb, data)
#define packet_end(skb)	  CTX_POINTER(skb, data_end)

INLINE __u32 join(__u16 first, __u16 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (__u32)second << 16 | first;
#else
	return (__u32)first << 16 | second;
#endif
}

INLINE __u64 join64(__u32 first, __u32 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (__u64)second << 32 | first;
#else
	return (__u64)first << 32 | second;
#endif
}

INLINE int is_vlan(__u16 proto)
{
	return proto == bpf_htons(ETH_P_8021Q) || proto == bpf_htons(ETH_P_8021AD);
}

INLINE __u8 first_byte(__u32 w)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return w;
#else
	return w >> 24;
#endif
}

/*
 * Bytes of headers in front of the payload, from `at`, where an IP header of `family` is. Walks
 * IPv4 options, IPv6 extension headers and one IP in another. Only super-packets come here.
 */
INLINE __u32 headers_size(struct __sk_buff *skb, __u64 at, __u8 family)
{
	__u8 b[4];
	__u8 next = family == FAMILY_IPV4 ? IPPROTO_IPIP : IPPROTO_IPV6;

#pragma clang loop unroll(disable)
	for (int i = 0; i < 4; i++) {
		forget(at, skb->len);
		switch (next) {
		case IPPROTO_IPIP:
			if (bpf_skb_load_bytes(skb, at + 9, &next, 1) ||
			    bpf_skb_load_bytes(skb, at, b, 1))
				return at;
			at += (b[0] & 0x0f) * 4;
			break;
		case IPPROTO_IPV6:
			if (bpf_skb_load_bytes(skb, at + 6, &next, 1))
				return at;
			at += IP6_SIZE;
			break;
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			if (bpf_skb_load_bytes(skb, at, b, 2))
				return at;
			next = b[0];
			at += (b[1] + 1) * 8;
			break;
		case IPPROTO_TCP:
			if (bpf_skb_load_bytes(skb, at + 12, b, 1))
				return at;
			return at + (b[0] >> 4) * 4;
		case IPPROTO_UDP:
			return at + 8;
		default:
			return at;
		}
	}
	return at;
}

#endif
