// SPDX-License-Identifier: GPL-2.0-only

package links_test

import (
	"fmt"
	"testing"

	"github.com/mezoura/mezoura/service/links"
)

// BenchmarkOpen is one full resynchronisation, with the sockets it takes.
func BenchmarkOpen(b *testing.B) {
	for _, devices := range []int{10, 100, 600} {
		b.Run(fmt.Sprint(devices), func(b *testing.B) {
			n := newNamespace(b)
			lines := []string{"link add br-lan type bridge", "addr add 192.168.1.1/24 dev br-lan"}
			for i := range devices / 2 {
				lines = append(lines, fmt.Sprintf("link add p%d master br-lan type veth peer name q%d", i, i))
			}
			n.ip(lines...)
			b.ReportAllocs()
			for range b.N {
				w, err := links.Open(links.InNamespace(int(n.file.Fd())))
				if err != nil {
					b.Fatal(err)
				}
				if w.Table().Len() < devices {
					b.Fatalf("%d devices, want %d", w.Table().Len(), devices)
				}
				w.Close()
			}
		})
	}
}
