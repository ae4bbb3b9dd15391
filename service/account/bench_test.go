// SPDX-License-Identifier: GPL-2.0-only

package account_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/account"
)

// BenchmarkInterval is what the book does every interval: it takes over all
// counters, every one of which has moved, and publishes.
func BenchmarkInterval(b *testing.B) {
	for _, hosts := range []int{84, 250, 3334, 10000, 21667} { // times three addresses
		b.Run(fmt.Sprintf("%d-addresses", hosts*3), func(b *testing.B) {
			book := account.NewBook(account.Limits{Hosts: 1 << 20, Addresses: 1 << 20})
			live := fleet(hosts, at(0))
			book.Observe(at(0), live, nil)
			status := account.Status{Networks: []account.NetworkInfo{{Name: "lan", Device: "br-lan"}}}
			now := at(0)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				now = now.Add(10 * time.Millisecond)
				for i := range live {
					live[i].Download.Bytes += 1000
				}
				book.Observe(now, live, nil)
				if s := book.Snapshot(now, nil, status); len(s.Hosts) != hosts {
					b.Fatal(len(s.Hosts))
				}
			}
		})
	}
}

func BenchmarkPersist(b *testing.B) {
	book := account.NewBook(account.Limits{})
	live := fleet(250, at(0))
	book.Observe(at(0), live, nil)
	book.Close(live, nil)
	p := marshal(b, book)
	b.SetBytes(int64(len(p)))
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			p, _ = book.AppendBinary(p[:0])
		}
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if err := book.UnmarshalBinary(p); err != nil {
				b.Fatal(err)
			}
		}
	})
}
