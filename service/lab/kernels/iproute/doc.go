// SPDX-License-Identifier: GPL-2.0-only

// Package iproute is as much of ip(8) and tc(8) as the laboratory needs to build a home, for machines that no
// distribution has those tools for. It takes the same words, and refuses what it does not know.
//
// Lifetime. Each Run opens one rtnetlink socket in the calling thread's network namespace and closes it.
//
// Concurrency. Functions may be called from several goroutines.
package iproute
