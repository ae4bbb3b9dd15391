// SPDX-License-Identifier: GPL-2.0-only

// Package account is the pure core of Mezoura: samples of the kernel's
// counters go in, immutable Snapshots come out.
//
// It does no I/O, imports no BPF and has no clock of its own: every instant is
// handed in. A Book lives as long as the daemon and belongs to one goroutine;
// nothing in it is locked. A Snapshot is never written again once it has been
// returned, so any number of goroutines may read it, for as long as they like.
//
// Totals are kept per address, as three numbers: what ended generations of the
// kernel's tables counted (closed), what the running generation has counted so
// far (live), and what was last published (shown). The exact total is closed +
// live. What is published is the greatest exact total ever seen: a reader of
// the kernel's tables that fails to see a counter for a moment cannot make a
// published total go backwards, and cannot falsify the exact one either.
package account
