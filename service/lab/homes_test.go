// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"testing"

	"github.com/mezoura/mezoura/service/lab"
)

// homes are the topologies that the design warns of.
var homes = []struct {
	name  string
	needs []lab.Feature
	build func(*lab.Lab) (*lab.Home, error)
}{
	{"bridge", nil, func(l *lab.Lab) (*lab.Home, error) { return l.Home(3) }},
	{"vlan filtering bridge", []lab.Feature{lab.VLAN, lab.VLANFiltering}, (*lab.Lab).VLANFilteringHome},
	{"vlan stacked on bridge port", []lab.Feature{lab.VLAN}, (*lab.Lab).StackedHome},
	{"qinq", []lab.Feature{lab.VLAN, lab.ServiceVLAN}, (*lab.Lab).QinQHome},
	{"tunnel", []lab.Feature{lab.TUN}, (*lab.Lab).TunnelHome},
	{"wireguard", []lab.Feature{lab.WireGuard}, (*lab.Lab).WireGuardHome},
	{"containers", nil, (*lab.Lab).ContainerHome},
	{"flooding", nil, (*lab.Lab).FloodingHome},
}

// TestHomes sees that the homes themselves work, without a daemon: everybody reaches everybody, and the meters see it.
// Those that this kernel cannot build are left to TestTopology, which builds them in a guest.
func TestHomes(t *testing.T) {
	for _, c := range homes {
		if missing(t, c.needs...) != nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			h := try(c.build(open(t)))(t)
			m := meters(t, h.Hosts)
			for i, host := range h.Hosts {
				check(t, everyWay(host, h.Internet, i))
				neighbourly(t, host, h.Hosts[(i+1)%len(h.Hosts)])
			}
			for _, e := range try(lab.Expect(h.Hosts, m))(t) {
				if e.Counts.Upload.Bytes < 300_000 || e.Counts.Download.Bytes < 700_000 || e.Counts.Download.Bytes > 1_200_000 {
					t.Errorf("%s %s: %s is not what was sent", e.Host.Name, e.Family, e.Counts)
				}
			}
		})
	}
}
