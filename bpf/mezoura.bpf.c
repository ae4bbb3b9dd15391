//go:build ignore
// SPDX-License-Identifier: GPL-2.0-only
/*
 * The classifier: counts a packet between a LAN host and the internet under the host's address.
 *
 *  1. Find the IP header behind Ethernet and up to two tags; leave what is not IP.
 *  2. Leave the packet if the far address is not on the internet: one byte tells for most
 * addresses, for the others the prefixes that begin with it.
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
#include "mezoura.bpf.h"
#include "parse.h"

#define TC_ACT_UNSPEC (-1)

#define NULL	    ((void *)0)
#define likely(c)   __builtin_expect(!!(c), 1)
#define unlikely(c) __builtin_expect(!!(c), 0)
#define barrier()   asm volatile("" ::: "memory")
#define opaque(v)   asm volatile("" : "+r"(v)) /* clang knows nothing of v any more */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define TAG_GROUP_BIT 0x01u /* of a MAC, in tag[0] */
#else
#define TAG_GROUP_BIT 0x01000000u
#endif

/* Which program this is; known to the compiler, so that each has only its own code. */
struct variant {
	__u8 download; /* attached to egress */
	__u8 raw_ip;   /* the device's packets begin with the IP header */
	__u8 port;     /* of a bridge: a packet may leave by several at once */
};

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

/*
 * Fingerprints: what changes from packet to packet of one flow. IP's ID, and TCP's numbers or UDP's
 * length, checksum and first data. IPv6 has no ID, and its extension headers are taken for what
 * they are not.
 */
#define PRINT4_AT 24 /* behind the start of the IP header: 8 bytes */
#define PRINT6_AT 44

INLINE __u16 fold(__u32 a)
{
	return a ^ a >> 16;
}

INLINE __u16 print4(__u32 id, const word *flow)
{
	return fold(id ^ flow[0] ^ flow[1]);
}

INLINE __u16 print6(const word *flow)
{
	return fold(flow[0] ^ flow[1]);
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
