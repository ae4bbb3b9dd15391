// SPDX-License-Identifier: GPL-2.0-only

// Package ubus is a client and object server for ubus, the message bus of
// OpenWrt.
//
// A [Conn] calls methods of objects, publishes objects of its own, sends and
// receives events and notifications. It connects again by itself when the
// broker restarts, with growing pauses, and then publishes its objects and
// takes up its subscriptions and listeners again. Calls under way when the link
// drops fail at once with [ErrDisconnected].
//
// # Transports
//
// "wire" speaks the socket protocol in Go and works in a static binary on every
// architecture. "libubus" (cgo, build tag libubus) goes through the system's
// own library, whose SONAME binds it to one release of OpenWrt. Both carry the
// same encoded bytes and behave alike.
//
// # Lifetime and concurrency
//
// [Dial] acquires a connection, Close releases it and everything registered on
// it; Close may be called again. A Conn is safe for concurrent use.
//
// Handlers run on goroutines of the Conn. Those of one object, subscription or
// listener run one after the other, in the order of the messages; those of
// different ones run at the same time. They may call every method of the Conn
// but Close. A handler that is too slow for what arrives loses messages: calls
// are answered with ErrNoMemory, events and notifications are counted in
// Missed of the next one.
//
// Package-level state there is none, except for the lock that libubus needs
// because it keeps its buffers in static variables.
package ubus
