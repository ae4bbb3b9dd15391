// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// BenchmarkRead reads tables with as many addresses, each counted on every CPU, while nothing else goes on.
func BenchmarkRead(b *testing.B) {
	cpus := onlineCPUs(b) // before anything is bound to one
	for _, addresses := range []int{250, 10000, 65000} {
		b.Run(fmt.Sprint(addresses), func(b *testing.B) {
			t := newTables(b, Size{Addresses: max(addresses, 4096), CPUs: possibleCPUs(b)})
			mustApply(b, t, &Rules{Networks: []Network{{Name: "lan", Prefixes: mustPrefix("10.0.0.0/8")}}, Internal: internals()})
			run := loaded(b, t, hook{variant: upload})
			f := shape{from: "10.0.0.0", to: "8.8.8.8"}.build()
			for _, cpu := range cpus {
				onCPU(b, cpu)
				for i := range addresses {
					binary.BigEndian.PutUint32(f[26:], 10<<24|uint32(i))
					mustRun(b, run, packet{frame: f})
				}
			}
			c := mustRead(b, t)
			if len(c.Entries) != addresses {
				b.Fatalf("%d entries", len(c.Entries))
			}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if c, err := t.Read(); err != nil || len(c.Entries) != addresses {
					b.Fatalf("%d entries: %v", len(c.Entries), err)
				}
			}
			b.ReportMetric(float64(c.Conflicts), "conflicts")
		})
	}
}
