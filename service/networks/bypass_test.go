// SPDX-License-Identifier: GPL-2.0-only

package networks_test

import (
	"strings"
	"testing"

	"github.com/mezoura/mezoura/service/networks"
)

func TestBypassed(t *testing.T) {
	m := &machine{}
	m.add("eth0", "")
	m.add("br-lan", "bridge", addrs("192.168.1.1/24"))
	m.add("eth0.1", "vlan", m.on("eth0", 1), m.port("br-lan"))
	m.add("eth0.1.7", "vlan", m.on("eth0.1", 7), addrs("192.168.7.1/24"))
	m.add("wlan0", "wlan", m.port("br-lan"))
	table := m.table()
	plan := networks.Resolve(four("br-lan", "eth0.1.7"), table)
	for _, tt := range []struct{ flowtables, want string }{
		{"", ""},
		{"br-lan wan", ""},
		{"eth0.1 wlan0 eth0.1.7", ""},
		{"eth0 wlan0", "eth0.1 eth0.1.7"},
		{"eth0.1 wlan0", "eth0.1.7"},
		{"eth*", ""}, // covers the VLANs as well
		{"wlan*", ""},
	} {
		got := networks.Bypassed(plan, table, strings.Fields(tt.flowtables))
		compare(t, "bypassed with "+tt.flowtables, got, strings.Fields(tt.want))
		if w := networks.BypassWarning(got); (w == "") != (len(got) == 0) || (w != "" && !strings.Contains(w, got[0])) {
			t.Errorf("warning %q of %v", w, got)
		}
	}
}
