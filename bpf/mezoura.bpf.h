/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the classifier and the daemon share. The Go twin of every struct is in layout.go; a
 * test compares size and offsets for both byte orders. Addresses and MACs are kept as they
 * are on the wire; counters and everything else are in the byte order of the machine.
 *
 * Change a size, an offset or a meaning, and LAYOUT_VERSION goes up: the next daemon reads
 * the tables of the last one by what `struct header` says of them.
 */
#ifndef MEZOURA_BPF_H
#define MEZOURA_BPF_H

#include <linux/types.h>

#define LAYOUT_MAGIC   0x4d455a4f /* "MEZO" */
#define LAYOUT_VERSION 1

#define MAX_NETWORKS 64
#define MAX_SEGMENTS 64
#define MAX_PREFIXES 128 /* of each family, local and not-internet separately */
#define MAX_VLANS    16	 /* of one segment */
#define NAME_SIZE    32	 /* of a network, with at least one 0 at the end */

#define FAMILY_IPV4 4
#define FAMILY_IPV6 6

/* Why bytes that came from or go to the internet belong to no host. */
enum reason {
	REASON_NO_PREFIX,  /* the LAN side's address is in no watched prefix */
	REASON_TABLE_FULL, /* no room for one more address */
	REASON_MULTICAST,  /* downloads to a group or to everybody */
	REASON_MALFORMED,  /* a source that no host can have, as a group MAC */
	REASON_COUNT = 8,  /* rows set apart for reasons: the named ones and some to come */
};

/* One address of one host. 24 bytes. */
struct key {
	__u32 addr[4]; /* as on the wire; an IPv4 address in addr[3], the others 0 */
	__u32 tag[2];  /* bytes: MAC[6], segment, family. Family 0: the row is free */
};

struct traffic {
	__u64 bytes; /* layer 2, without FCS */
	__u64 packets;
};

/* 40 bytes */
struct account {
	__u8 network;
	__u8 reserved;
	__u16 port;  /* low half of the ifindex that the last download left by */
	__u16 print; /* fingerprint of that download: tells flooded copies from new packets */
	__u16 seen;  /* header.clock at the last packet */
	struct traffic upload;
	struct traffic download;
};

/* One cache line: all that counting a packet touches. */
struct row {
	struct key key;
	struct account account;
};

/* Key of the overflow tables: with the CPU in it, every entry has one writer. 32 bytes. */
struct overflow_key {
	struct key key;
	__u32 cpu;
	__u32 reserved;
};

/* What the first byte of an address says of it. 0: all these addresses are on the internet. */
#define CLASS_INTERNAL 1    /* none is */
#define CLASS_ASK      2    /* some are not: those in the trie of prefixes */
#define CLASS_BLOCK    0x80 /* likewise: those in the block whose number is in the low bits */

#define MAX_BLOCKS 32 /* of each family: first bytes that some prefix is longer than */
#define BLOCK_SIZE 8  /* prefixes in a block; the mask of the first that is none is 0 */

struct check4 {
	__u32 addr; /* wire order, host bits 0 */
	__u32 mask;
};

struct check6 {
	__u64 addr[2]; /* wire order */
	__u64 mask[2];
};

struct block4 {
	struct check4 check[BLOCK_SIZE];
};

struct block6 {
	struct check6 check[BLOCK_SIZE];
};

/* Key of the trie of prefixes; what is matched exactly comes first. 28 bytes. */
struct local_key {
	__u32 prefixlen; /* of all below, in bits */
	__u8 rules;	 /* which of the two this is of */
	__u8 segment;	 /* or one of those below */
	__u16 vlan;	 /* of the network there, or VLAN_ANY */
	__u32 family;
	__u32 addr[4]; /* as in struct key: an IPv4 prefix has 96 bits of 0 in front */
};

#define SEGMENT_ANY 0xff /* of watched prefixes */
#define SEGMENT_FAR 0xfe /* of what is not the internet, with VLAN_ANY */
#define VLAN_ANY    0xffff

struct segment {
	__u16 vlans[MAX_VLANS]; /* tags of frames that may be theirs, 0 ends */
};

/* What is local, and what is not the internet. 12.5 KiB. */
struct rules {
	__u8 class4[256];
	__u8 class6[256];
	struct block4 block4[MAX_BLOCKS];
	struct block6 block6[MAX_BLOCKS];
	struct segment segments[MAX_SEGMENTS];
};

/* The start of the control map, the same in all layouts from 1 on. 128 bytes. */
struct header {
	__u32 magic;
	__u32 version;
	__u32 cpus;	  /* areas in each half of the rows */
	__u32 slots;	  /* hosts' rows in an area, a power of two */
	__u32 reasons;	  /* rows for reasons, in front of them */
	__u32 row_size;	  /* and where things are in a row: */
	__u32 key_offset; /* 24 bytes, as struct key */
	__u32 account_offset;
	__u32 account_size;   /* value size of the overflow tables */
	__u32 network_offset; /* from here on: within struct account */
	__u32 seen_offset;
	__u32 upload_offset;
	__u32 download_offset;
	__u32 overflow_cpu_offset; /* within struct overflow_key, behind the key */
	__u32 multiplier[6];	   /* of the hash; odd, random for each table */
	__u32 networks_offset;	   /* within struct control: MAX_NETWORKS names */
	__u32 generation; /* counts up; for the daemon: its low bit names the half in use */
	__u32 clock;	  /* seconds since boot, low 16 bits used; the daemon advances it */
	__u32 rules;	  /* which of the two is in force */
	__u32 first;	  /* the first CPU's first host row in the half in use */
	__u32 reserved[7];
};

/*
 * suspect: 0 for a first byte of which all addresses are on the internet, whichever rules are in
 * force. It is all that most packets need; what changes it goes through a state where both rules'
 * bytes are suspect.
 */
struct control {
	struct header header;
	__u8 suspect4[256];
	__u8 suspect6[256];
	__u8 local4[256]; /* likewise: 0 for a first byte that no watched prefix has */
	__u8 local6[256];
	char networks[MAX_NETWORKS][NAME_SIZE]; /* for readers; the program knows numbers only */
	struct rules rules[2];
};

#endif
