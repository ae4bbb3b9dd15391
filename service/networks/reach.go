// SPDX-License-Identifier: GPL-2.0-only

package networks

import (
	"slices"

	"github.com/mezoura/mezoura/service/links"
)

// reach is where the frames of one network can be seen, each internet packet exactly once.
type reach struct {
	// leaves are the devices to attach to, by ifindex; the value tells ports of bridges.
	leaves map[int]bool
	// bridges the frames pass through: two networks with one in common share a segment.
	bridges map[int]bool
	// tags their frames may carry on a leaf, 0 for none.
	tags map[uint16]bool
}

// reachOf finds the leaves of a device. A bridge is seen on its ports; a VLAN on top of a
// bridge on the ports of that bridge; any other device on itself.
//
// A port that is a VLAN of another bridge, or the near end of a veth to another bridge, is
// no leaf: packets from behind it are seen where they enter, which is also where flowtables
// see them.
func reachOf(t *links.Table, device links.Link) reach {
	r := reach{leaves: map[int]bool{}, bridges: map[int]bool{}, tags: map[uint16]bool{}}
	if base, tag, ok := underBridge(t, device); ok {
		r.bridge(t, base, tag)
		return r
	}
	r.leaves[device.Index] = isPort(t, device)
	r.tags[0] = true
	return r
}

// bridge adds the ports of a bridge; tag is what frames carry on them, 0 for none.
func (r *reach) bridge(t *links.Table, b links.Link, tag uint16) {
	if r.bridges[b.Index] {
		return // bridges joined to a ring
	}
	r.bridges[b.Index] = true
	for _, port := range t.Ports(b.Index) {
		if base, inner, ok := underBridge(t, port); ok {
			r.bridge(t, base, inner)
			continue
		}
		if far, ok := farBridge(t, port); ok {
			r.bridge(t, far, tag)
			continue
		}
		r.leaves[port.Index] = true
		r.tags[tag] = true
	}
	if len(t.Ports(b.Index)) == 0 {
		r.tags[tag] = true
	}
}

// underBridge follows VLANs down to a bridge. tag is the outermost one, next to the bridge;
// of a filtering bridge itself the VLAN that it is an untagged member of.
func underBridge(t *links.Table, l links.Link) (bridge links.Link, tag uint16, ok bool) {
	for range t.Len() { // a bound, should the kernel report a ring
		if l.IsBridge() {
			if tag == 0 {
				tag = l.PVID
			}
			return l, tag, true
		}
		if !l.IsVLAN() {
			return links.Link{}, 0, false
		}
		tag = l.VLAN
		if l, ok = t.ByIndex(l.Lower); !ok {
			return links.Link{}, 0, false
		}
	}
	return links.Link{}, 0, false
}

// farBridge finds the bridge at the other end of a veth.
func farBridge(t *links.Table, port links.Link) (links.Link, bool) {
	peer, ok := t.ByIndex(port.Peer)
	if port.Peer == 0 || !ok || peer.Master == 0 {
		return links.Link{}, false
	}
	b, ok := t.ByIndex(peer.Master)
	return b, ok && b.IsBridge()
}

// isPort reports whether the device is a port of a bridge. A bond or a VRF has ports as well,
// but frames of theirs do not go from port to port.
func isPort(t *links.Table, l links.Link) bool {
	m, ok := t.ByIndex(l.Master)
	return ok && m.IsBridge()
}

// stacked lists the tags that leave a device for a VLAN on it.
func stacked(t *links.Table, index int) []uint16 {
	var tags []uint16
	for _, u := range t.Uppers(index) {
		if u.IsVLAN() && u.VLAN != 0 {
			tags = append(tags, u.VLAN)
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// merge adds what another device of the same network reaches.
func (r *reach) merge(o reach) {
	for k, v := range o.leaves {
		r.leaves[k] = r.leaves[k] || v
	}
	for k := range o.bridges {
		r.bridges[k] = true
	}
	for k := range o.tags {
		r.tags[k] = true
	}
}

// meets reports whether packets of both pass one device.
func (r reach) meets(o reach) bool {
	for k := range r.leaves {
		if _, ok := o.leaves[k]; ok {
			return true
		}
	}
	for k := range r.bridges {
		if o.bridges[k] {
			return true
		}
	}
	return false
}

// tag is the tag that frames of the network may carry, 0 if none. Where they carry several,
// more says so.
func (r reach) tag() (tag uint16, more bool) {
	for k := range r.tags {
		if k == 0 {
			continue
		}
		more = more || tag != 0
		if tag == 0 || k < tag {
			tag = k
		}
	}
	return tag, more
}
