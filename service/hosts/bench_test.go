// SPDX-License-Identifier: GPL-2.0-only

package hosts_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/config"
	"github.com/mezoura/mezoura/service/hosts"
)

func leases(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "1700000000 02:00:00:01:%02x:%02x 10.0.%d.%d host%d 01:02\n", i>>8, i&255, i>>8, i&255, i)
	}
	return b.String()
}

func BenchmarkParseDnsmasq(b *testing.B) {
	text := leases(2000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for range b.N {
		if list, err := hosts.ParseDnsmasq(strings.NewReader(text)); err != nil || len(list) != 2000 {
			b.Fatal(err)
		}
	}
}

func BenchmarkIdentify(b *testing.B) {
	index := hosts.NewIndex(config.Default().Names, leases(2000))
	for _, test := range []struct {
		name string
		mac  account.MAC
	}{{"named", account.MAC{2, 0, 0, 1, 3, 4}}, {"unknown", account.MAC{2, 9}}} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				if id := index.Identify("lan", test.mac, netip.Addr{}); (id.Hostname == "") != (test.name == "unknown") {
					b.Fatal(id)
				}
			}
		})
	}
}

func BenchmarkIndex(b *testing.B) {
	text := leases(2000)
	b.ReportAllocs()
	for range b.N {
		hosts.NewIndex(config.Default().Names, text)
	}
}
