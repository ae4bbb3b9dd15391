// SPDX-License-Identifier: GPL-2.0-only

package networks

import (
	"slices"
	"strings"

	"github.com/mezoura/mezoura/service/links"
)

// Bypassed names the devices of a plan that flow offloading forwards past, given the devices
// of all flowtables: a VLAN device when its flowtable is on the device below it, since tagged
// frames are taken there and sent from there. A flowtable on the device itself, or on a
// bridge above it, bypasses nothing.
func Bypassed(p Plan, t *links.Table, flowtables []string) []string {
	var out []string
	for _, a := range p.Attachments {
		l, ok := t.ByIndex(a.Ifindex)
		if !ok || offloads(flowtables, l.Name) {
			continue
		}
		for range t.Len() { // a bound, should the kernel report a ring
			if !l.IsVLAN() {
				break
			}
			if l, ok = t.ByIndex(l.Lower); !ok {
				break
			}
			if offloads(flowtables, l.Name) {
				out = append(out, a.Device)
				break
			}
		}
	}
	slices.Sort(out)
	return out
}

// BypassWarning says what Bypassed found, "" for nothing.
func BypassWarning(devices []string) string {
	if len(devices) == 0 {
		return ""
	}
	return "Flow offloading forwards packets past " + strings.Join(devices, ", ") +
		", so numbers of hosts there are incomplete. Switch flow offloading off, or count on the device below."
}

func offloads(flowtables []string, name string) bool {
	return slices.ContainsFunc(flowtables, func(d string) bool {
		stem, pattern := strings.CutSuffix(d, "*")
		return d == name || (pattern && strings.HasPrefix(name, stem))
	})
}
