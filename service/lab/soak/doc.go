// SPDX-License-Identifier: GPL-2.0-only

// Package soak keeps a daemon under everything that may happen to it, for as long as one likes: random traffic of several
// hosts on two networks; kills, ends, starts in vain and at full disks; ports and bridges that come, go, move and are renamed;
// prefixes that change; floods of invented hosts; a broker that restarts; configurations good and bad; names that change.
//
// What is asked of the daemon. After each event no total of a host, a network or a reason may be less than before, in no
// output; none may be more than what the hosts' own wires have carried, nor less than what they had carried at the look
// before. At every checkpoint everybody falls silent, and then each host's bytes and packets in both directions and both
// families have to be the wire's exactly, and so does the sum of all networks and of what was counted for nobody. At the
// end memory, descriptors, threads, goroutines and BPF objects of a daemon that has seen every event many times are held
// against what they were when it had seen each once; and after -detach the kernel has none of the objects of all the
// daemons.
//
// Steps of the wall clock are for machines whose clock is ours (TestSoakClock): Linux has no namespace for it (time namespaces
// move the monotonic and the boot clock only).
//
// Lifetime. Run makes a lab of its own and closes it.
//
// Concurrency. One goroutine brings events about, one after the other, and looks at the daemon's totals between them; hosts
// talk on goroutines of their own.
package soak
