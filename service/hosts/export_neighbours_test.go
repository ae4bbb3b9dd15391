// SPDX-License-Identifier: GPL-2.0-only

package hosts

import (
	"net/netip"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"
	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/account"
)

// Neighbours is the table after messages of new neighbours, as they come from the kernel. An error means that one of
// them is none.
func Neighbours(messages ...[]byte) (map[account.MAC][]netip.Addr, error) {
	f := newFollower(0, time.Now)
	for _, b := range messages {
		var m rtnetlink.NeighMessage
		if err := m.UnmarshalBinary(b); err != nil {
			return nil, err
		}
		f.apply(unix.RTM_NEWNEIGH, &m)
	}
	table := map[account.MAC][]netip.Addr{}
	for mac, list := range f.view().hosts {
		for _, n := range list {
			table[mac] = append(table[mac], n.addr)
		}
	}
	return table, nil
}
