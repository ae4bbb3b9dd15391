// SPDX-License-Identifier: GPL-2.0-only

// Package bpf is the classifier: it loads the program, attaches it to devices, reads what it has
// counted. It knows addresses, MACs, prefixes and interface numbers; names, configuration and ubus are
// for others.
//
// # Lifetime
//
// Everything that counts outlives the process: tables are pinned below a directory of bpffs, tcx links
// next to them, clsact filters stay in the kernel by themselves. Closing a [Tables] or an
// [Attacher] lets go of descriptors and mappings and counts on. Only [Attacher.Detach], [Tables.Remove] and [DetachAll]
// take something out of the kernel, and only what is ours.
//
// A daemon that starts makes tables of its own ([Create]), lets every attachment change over to
// them (each at once, without a gap), and then reads and removes what earlier daemons have left ([Find], [Open]).
// So a restart, an upgrade to another layout and a change of size are one and the same thing.
//
// # Concurrency
//
// Nothing here locks. One goroutine owns a Tables and its Attacher. The program writes to the half of
// the tables that is in use, and to nothing else.
package bpf
