// SPDX-License-Identifier: GPL-2.0-only

package ubus_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/blobmsg"
)

// stats writes the like of a reply with many hosts, without reflection.
type stats int

func (hosts stats) MarshalBlobmsg(b *blobmsg.Builder) {
	flows := func() {
		for _, direction := range [...]string{"download", "upload"} {
			b.OpenTable(direction)
			b.Int64("bytes", 123456789012)
			b.Int64("packets", 98765432)
			b.Int64("rate", 1234567)
			b.Close()
		}
	}
	b.OpenArray("hosts")
	for range hosts {
		b.OpenTable("")
		b.String("mac", "02:00:00:00:00:01")
		b.String("hostname", "a-host-with-a-name")
		b.String("network", "lan")
		flows()
		for _, family := range [...]string{"ipv4", "ipv6"} {
			b.OpenTable(family)
			flows()
			b.Close()
		}
		b.OpenArray("addresses")
		for range 2 {
			b.OpenTable("")
			b.String("ip", "2001:db8::1234:5678:9abc:def0")
			flows()
			b.Int64("last_seen", 1790000000)
			b.Close()
		}
		b.Close()
		b.Close()
	}
	b.Close()
}

// BenchmarkCall is a whole call through our broker: lookup, question, answer of
// that many hosts, both clients and the broker in this process.
func BenchmarkCall(b *testing.B) {
	for _, transport := range ubus.Transports() {
		for _, hosts := range []int{0, 250} {
			b.Run(fmt.Sprintf("%s/hosts=%d", transport, hosts), func(b *testing.B) {
				run := &bench{transport: transport, server: startServer(b, "broker")}
				publish(b, run.dial(b), ubus.Object{Path: "bench", Methods: []ubus.Method{{Name: "stats",
					Handler: func(context.Context, *ubus.Request) (any, error) { return stats(hosts), nil }}}})
				c := run.dial(b)
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					reply, err := c.Call(background, "bench", "stats", nil)
					if err != nil || reply.Array("hosts").Len() != hosts {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
