// SPDX-License-Identifier: GPL-2.0-only

// Package service is the daemon: one loop that wires the classifier, the devices, the names and the
// book, and publishes what they say together.
//
// Run owns everything from its call to its return. The loop's goroutine alone touches the tables, the attachments and
// the book; what it publishes is an immutable snapshot behind an atomic pointer. Followers of devices, names and
// netifd have goroutines of their own and tell the loop that something has changed.
//
// Counting does not end with Run: the kernel's part stays where it is until [Detach].
package service
