// SPDX-License-Identifier: GPL-2.0-only

package bpf

// Reason is why bytes of the internet were counted under no host.
type Reason uint8

// The reasons, numbered as in mezoura.bpf.h.
const (
	NoPrefix  Reason = iota // the LAN side's address is in no watched prefix
	TableFull               // no room for one more address
	Multicast               // downloads to a group or to everybody
	Malformed               // a source that no host can have, as a group MAC
	Reasons                 // how many there are
)

// String is the reason's name, as metrics and ubus show it.
func (r Reason) String() string {
	switch r {
	case NoPrefix:
		return "no_prefix"
	case TableFull:
		return "table_full"
	case Multicast:
		return "multicast"
	case Malformed:
		return "malformed"
	}
	return "unknown"
}
