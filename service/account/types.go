// SPDX-License-Identifier: GPL-2.0-only

package account

import (
	"net/netip"
	"time"
)

// MAC is a hardware address in the order it goes over the wire. All zero: the
// device carries raw IP (WireGuard, PPP), and the address is the host.
type MAC [6]byte

// IsZero tells whether there is no hardware address.
func (m MAC) IsZero() bool { return m == MAC{} }

// LocallyAdministered tells whether the address was made up by the host rather
// than burnt in by a manufacturer: the mark of a random, changing MAC.
func (m MAC) LocallyAdministered() bool { return m[0]&2 != 0 }

// String is the address in lower case with colons, "" when zero.
func (m MAC) String() string {
	if m.IsZero() {
		return ""
	}
	return string(m.Append(make([]byte, 0, 17)))
}

// Append appends what String returns.
func (m MAC) Append(b []byte) []byte { return m.append(b, "0123456789abcdef") }

// AppendUpper appends the address in upper case, as the original wrote it.
func (m MAC) AppendUpper(b []byte) []byte { return m.append(b, "0123456789ABCDEF") }

func (m MAC) append(b []byte, digits string) []byte {
	if m.IsZero() {
		return b
	}
	for i, c := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}

// Traffic is an amount in one direction: bytes at layer 2 without FCS.
type Traffic struct{ Bytes, Packets uint64 }

// Counters is an amount in both directions, as the host sees them.
type Counters struct{ Download, Upload Traffic }

// Key is one address of one host on one network.
type Key struct {
	Network string
	MAC     MAC
	Addr    netip.Addr
}

// Sample is the totals of Key since the live generation began, and when the
// last packet of it was seen.
type Sample struct {
	Key
	Counters
	Seen time.Time
}

// Unattributed is traffic that belongs to no host, by reason: totals since the
// live generation began, as Sample's are.
type Unattributed map[string]Counters

// The reasons every Snapshot lists, whether anything was counted or not.
const (
	ReasonNoPrefix  = "no_prefix"  // the address is in no prefix of a watched network
	ReasonTableFull = "table_full" // the classifier's tables had no room
	ReasonMulticast = "multicast"  // to or from a group address
	ReasonMalformed = "malformed"  // headers cut short or contradicting each other
	ReasonLimit     = "limit"      // more hosts than Limits.Hosts: "other" in the network's total
)

// Identity is what the names layer knows of a host.
type Identity struct {
	Hostname string // "" unknown. Valid UTF-8, no control characters, <= 255 bytes
	Source   string // "alias" "uci" "dnsmasq" "odhcpd" "ethers" "hosts" ""
	Device   MAC    // canonical MAC: aliases merge several MACs into one host; normally the MAC asked for
}

// Namer knows who a host is. addr is the zero Addr when the host has no
// current address. It is called while a Snapshot is made, often: it must
// neither block nor keep what it is given.
type Namer interface {
	Identify(network string, mac MAC, addr netip.Addr) Identity
	Online(network string, mac MAC, addr netip.Addr) (online, known bool)
}

// Limits bounds a Book. Zero means the default named at each field.
type Limits struct {
	Hosts            int           // hosts listed at once; those beyond go to "other". 16384
	AddressesPerHost int           // addresses told apart for one host; those beyond count for the host only. 64
	Addresses        int           // addresses told apart in all; the same. 131072
	Idle             time.Duration // silence after which an address is no longer listed. 10 minutes
	Expire           time.Duration // silence after which a host is no longer listed. 30 days
}

// Flow is a total in one direction and its rate.
type Flow struct {
	Bytes, Packets uint64
	Rate           uint64 // bytes per second over the last observation interval
}

// Family is the part of a host's traffic that went over IPv4 or over IPv6.
type Family struct{ Download, Upload Flow }

// Address is one current address of a host, with what it counted.
type Address struct {
	IP netip.Addr
	Counters
	LastSeen time.Time
}

// Host is one device on one network: everything its MACs and addresses, past
// ones included, have sent and received.
type Host struct {
	MAC              MAC   // canonical; zero for a host of a raw IP device
	MACs             []MAC // all that were merged into this host, sorted
	Hostname         string
	NameSource       string
	Network          string // logical name
	Device           string // Linux interface of the network
	Random           bool   // the MAC is locally administered
	Online           bool
	Download, Upload Flow
	IPv4, IPv6       Family
	Addresses        []Address // current ones, sorted; IPv4 first
	FirstSeen        time.Time
	LastSeen         time.Time
}

// NetworkTotal is everything counted on one network, expired hosts and those
// beyond the limits ("other") included.
type NetworkTotal struct {
	Name     string
	Device   string
	Prefixes []netip.Prefix
	Counters
}

// ReasonTotal is what was counted but belongs to no host, for one reason.
type ReasonTotal struct {
	Reason string
	Counters
}

// Snapshot is the state of the book at one instant. It is immutable: neither
// the book nor any reader writes to it or to anything it points to.
type Snapshot struct {
	Time         time.Time
	Started      time.Time // when the totals began
	Hosts        []Host    // sorted by network, MAC, first address
	Networks     []NetworkTotal
	Unattributed []ReasonTotal // sorted by reason; all known reasons always present
	Status       Status
}

// Status is the daemon's state, filled in by the loop and passed through.
type Status struct {
	Version     string
	Transport   string // of the ubus connection
	Kernel      string
	Interval    time.Duration
	Attachments []Attachment
	Networks    []NetworkInfo
	Table       Table
	Offload     Offload
	Warnings    []string // whole sentences
	ConfigError string
}

// Attachment is one device the classifier is, or should be, attached to.
type Attachment struct {
	Network, Device string
	Mode            string // "tcx" "clsact" "waiting"
	Direction       string // "both"
	Error           string
}

// NetworkInfo is one watched network as it is now.
type NetworkInfo struct {
	Name, Device string
	Up           bool
	Prefixes     []netip.Prefix
}

// Table is the state of the classifier's tables.
type Table struct{ Entries, Capacity, Conflicts uint64 }

// Offload is the state of flow offloading on this router.
type Offload struct {
	Software, Hardware bool
	Source             string
}
