//go:build ignore
// SPDX-License-Identifier: GPL-2.0-only
/*
 * The classifier: counts a packet between a LAN host and the internet under the host's address.
 *
 *  1. Find the IP header behind Ethernet and up to two tags; leave what is not IP.
 *  2. Leave the packet if the far address is not on the internet: one byte tells for most
 *    addresses, for the others the prefixes that begin with it.
 *  3. Hash the near address and its MAC, look at two rows of this CPU's area.
 *  4. A row with the key: add. That is nearly every packet, and one cache line.
 *  5. A free row: find the network by prefix; take the row.
 *  6. Two rows of others: the overflow table, one hash lookup. No room there either: the bytes go
 *     to the row of the reason why.
 *
 * Which side is near is a constant: a packet that comes in on a LAN device can only be an upload,
 * one that leaves by it only a download.
 *
 * Two halves of the rows take turns. A row, once taken, keeps its key until its half is no
 * longer in use, so that readers need no lock; the daemon then folds the counts of the half
 * that rests into its book, clears it, and writes into it the keys that shall have rows next time.
 *
 * The verdict is always TC_ACT_UNSPEC: other programs and filters run as if this one were not
 * there. No atomics, no calls of functions, no BTF, no loop that an old verifier cannot see the end
 * of.
 */
#include "any.h"
#include "known.h"

INLINE int classify(struct __sk_buff *skb, struct variant v)
{
	if (!v.raw_ip && likely(count_known(skb, v)))
		return TC_ACT_UNSPEC;
	return count_any(skb, v);
}

SEC("tc")
int upload(struct __sk_buff *skb)
{
	return classify(skb, (struct variant){});
}

SEC("tc")
int download(struct __sk_buff *skb)
{
	return classify(skb, (struct variant){.download = 1});
}

SEC("tc")
int download_port(struct __sk_buff *skb)
{
	return classify(skb, (struct variant){.download = 1, .port = 1});
}

SEC("tc")
int upload_raw(struct __sk_buff *skb)
{
	return classify(skb, (struct variant){.raw_ip = 1});
}

SEC("tc")
int download_raw(struct __sk_buff *skb)
{
	return classify(skb, (struct variant){.download = 1, .raw_ip = 1});
}

char __license[] SEC("license") = "GPL";
