// SPDX-License-Identifier: GPL-2.0-only

package broker_test

import (
	"testing"

	"github.com/mezoura/mezoura/ubus/broker"
	"github.com/mezoura/mezoura/ubus/internal/proto"
)

// TestFragments sends frames by the byte, and many in one piece.
func TestFragments(t *testing.T) {
	t.Parallel()
	c := connect(t, start(t, broker.Options{}))
	ping := frame(proto.Header{Type: proto.Ping, Seq: 1}, func(w *proto.Writer) { w.Text(proto.AttrMethod, "any") })
	for i := range ping {
		c.send(ping[i : i+1])
	}
	many := make([]byte, 0, 100*len(ping))
	for range 100 {
		many = append(many, ping...)
	}
	c.send(many)
	for i := range 101 {
		data, status := c.read(), c.read()
		if data.Type != proto.Data || string(data.Body) != string(ping[proto.PrefixLen:]) || status.Type != proto.Status {
			t.Fatalf("%d: got %+v, %+v", i, data, status)
		}
	}
}
