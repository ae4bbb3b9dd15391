// SPDX-License-Identifier: GPL-2.0-only

// Package lab is a laboratory of Linux network namespaces: a router, its LAN hosts and an internet, made of real
// devices, with real TCP and UDP between them and an exact account of what was sent. The demo, the integration tests
// and the benchmarks are built on it; the daemon never imports it.
//
// Lifetime. Open makes a Lab; everything made with it (namespaces, processes, mounts, folders) goes with Lab.Close,
// which may be called twice. Namespaces have no names on the machine: each is held by a descriptor of this process,
// so even a kill -9 leaves none behind, and any number of labs may exist at once. What a killed run does leave in the
// temporary folder (a bpffs mount) the next Open sweeps away.
//
// Concurrency. A Lab and its Namespaces may be used from several goroutines. Functions handed to Namespace.Do run on a
// thread of their own inside the namespace; sockets made there stay in it and may be used from anywhere afterwards.
package lab
