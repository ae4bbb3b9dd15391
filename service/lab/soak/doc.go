// SPDX-License-Identifier: GPL-2.0-only

// Package soak keeps a daemon under everything that may happen to it, for as long as one likes: random traffic of several
// hosts; kills, ends and starts; ports that come and go; prefixes that change; a broker that restarts; configurations
// good and bad; full disks. All along no total may go backwards; at every checkpoint the daemon's numbers have to be the
// wire's, to the byte; at the end memory, descriptors, threads and BPF objects have to be what they were.
//
// Lifetime. Run makes a lab of its own and closes it.
//
// Concurrency. One goroutine brings events about, one after the other; hosts talk on goroutines of their own, and another
// reads the daemon's totals.
package soak
