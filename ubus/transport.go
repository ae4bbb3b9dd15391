// SPDX-License-Identifier: GPL-2.0-only

package ubus

import (
	"context"
	"os"
)

// transport is one connection to a broker, from its greeting to its end. Its
// methods are safe for concurrent use. When the link drops, done is closed and
// every call under way returns ErrDisconnected at once.
//
// Messages cross it as encoded attributes, so that both transports share one
// codec. It keeps none of the slices it is given, and gives away those it
// passes up.
type transport interface {
	// lookup lists the objects a pattern matches, all for "".
	lookup(ctx context.Context, pattern string) ([]ObjectInfo, error)
	// invoke calls a method of an object by id and returns what it answers.
	invoke(ctx context.Context, object uint32, method string, args []byte) ([]byte, error)
	// addObject makes b known and sets b.id. Upcalls may come before it returns.
	addObject(ctx context.Context, b *binding) error
	removeObject(ctx context.Context, b *binding) error
	subscribe(ctx context.Context, b *binding, target uint32) error
	// notify and reply return once the message is on its way.
	notify(b *binding, kind string, payload []byte) error
	reply(in *incoming, data []byte, status Status) error

	done() <-chan struct{}
	// close ends the connection and waits for the last upcall to return.
	close()
}

// dialer connects to a broker. monitor gets the messages of monitoring.
type dialer func(ctx context.Context, socket string, monitor func(seq uint16, body []byte)) (transport, error)

// binding is an object on one link: a published one with a path, or a nameless
// one that receives events or notifications.
type binding struct {
	path       string
	methods    []Method
	subscriber bool
	sink       sink
	id         uint32
	native     any //lint:ignore U1000 the transport's own: of libubus, which is built by tag
}

// sink receives what the broker sends to an object, in order, on the
// transport's receiving goroutine: it must not block, nor call the transport.
type sink interface {
	invoked(in *incoming)
	active(subscribed bool)
	removed(target uint32)
}

// incoming is a method call, an event or a notification.
type incoming struct {
	link         transport // that it came by, and the answer goes by
	object, peer uint32
	seq          uint16
	method       string
	args         []byte // nil if there are none, which differs from an empty table
	user, group  string
	noReply      bool
	native       any //lint:ignore U1000 the transport's own: of libubus, which is built by tag
}

// ObjectInfo describes an object that a lookup found.
type ObjectInfo struct {
	Path      string
	ID, Type  uint32
	Signature []byte // methods with their arguments, encoded as a table
}

// defaultSockets are where ubusd listens: now, and before OpenWrt 21.02.
var defaultSockets = [...]string{"/var/run/ubus/ubus.sock", "/var/run/ubus.sock"}

func findSocket(path string) string {
	if path != "" {
		return path
	}
	for _, path = range defaultSockets {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return defaultSockets[0]
}
