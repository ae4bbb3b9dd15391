// SPDX-License-Identifier: GPL-2.0-only

// Package config is the daemon's configuration as typed values: read from
// flags or from /etc/config/mezoura, validated whole, and compared at a reload.
//
// A Config is a plain value. Nothing here keeps state, opens sockets or starts
// goroutines; two goroutines may share a Config as long as neither changes it.
package config

import (
	"net/netip"
	"time"
)

// File is the name of our own file below Paths.EtcConfig.
const File = "mezoura"

// Config is everything that can be set. A value that came out of this package
// without an error is valid as a whole.
type Config struct {
	Enabled bool

	Networks  []string       // netifd's logical names; empty when Subnets or Prefixes6 stand in for netifd
	Subnets   []Subnet       // -4, list subnet
	Prefixes6 []netip.Prefix // -6, list prefix6; masked
	Internal  []netip.Prefix // what is not the internet; masked, sorted, each once
	Attach    Attach

	Interval  time.Duration // between two readings of the kernel's counters
	TableSize int           // addresses the kernel's table holds

	Idle             time.Duration // an address silent this long folds into its host
	Expire           time.Duration // a host silent this long leaves the listing; or Never
	MaxHosts         int
	MaxAddresses     int // of all hosts together
	MaxHostAddresses int // of one host

	Textfiles []string // written every interval; empty writes none
	Exporter  bool
	Listen    netip.Addr // invalid (zero): all addresses
	Port      uint16
	Compat    bool // the original's four families

	Names   []string // sources of names, the first that knows a host wins
	Aliases []Alias

	UbusSocket   string // "" where ubusd usually listens
	UbusEmbedded bool

	MemoryLimit int64 // bytes; the init script hands it to the runtime
	Procs       int   // processors the daemon may use; likewise

	StateDir string
	BPFFS    string
	Paths    Paths
}

// Never is what Expire 0 in the file means. It is longer than any router lives, and
// short enough that times can be reckoned with it; a zero elsewhere in the program
// means a default.
const Never = 100 * 365 * 24 * time.Hour

// Subnet is one IPv4 network and the device it is on. With only a device given
// (-4 br-lan) Addr and Prefix are zero and the device's own addresses count.
type Subnet struct {
	Addr   netip.Addr
	Prefix netip.Prefix // masked
	Device string
}

// Alias is a name the user gave, and the addresses of the one device it means.
type Alias struct {
	Name string
	MACs [][6]byte // as given, each in one alias only; the first stands for all
}

// Paths are the files of the router that names come from.
type Paths struct {
	EtcConfig string // directory of the UCI files mezoura and dhcp
	Leases    string // dnsmasq's leases; "" as /etc/config/dhcp says
	Ethers    string
	Hosts     string
}

// Attach is how the classifier is put on a device.
type Attach string

const (
	AttachAuto   Attach = "auto" // tcx where the kernel has it, else clsact
	AttachTCX    Attach = "tcx"
	AttachClsact Attach = "clsact"
)

// The sources of names, in the order of their default priority.
const (
	NamesAlias   = "alias"   // config alias in /etc/config/mezoura
	NamesUCI     = "uci"     // config host in /etc/config/dhcp
	NamesDnsmasq = "dnsmasq" // dnsmasq's leases
	NamesOdhcpd  = "odhcpd"  // odhcpd's state file and ubus object
	NamesEthers  = "ethers"  // /etc/ethers
	NamesHosts   = "hosts"   // /etc/hosts
)

// Default is the configuration of an empty file.
func Default() Config {
	c := Config{
		MaxHosts:         4096,
		MaxAddresses:     16384,
		MaxHostAddresses: 64,
		StateDir:         "/var/run/mezoura",
		BPFFS:            "/sys/fs/bpf/mezoura",
		Paths: Paths{
			EtcConfig: "/etc/config",
			Ethers:    "/etc/ethers",
			Hosts:     "/etc/hosts",
		},
	}
	for _, o := range options() {
		for _, v := range o.Default {
			// A default that its own option refuses is caught by the test of all options.
			_ = o.set(&c, v)
		}
	}
	return c
}

// DefaultInternal lists what is never the internet: private, shared,
// link-local, loopback, multicast and reserved addresses.
func DefaultInternal() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("100.64.0.0/10"),
		netip.MustParsePrefix("127.0.0.0/8"),
		netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("224.0.0.0/4"),
		netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("::/128"),
		netip.MustParsePrefix("::1/128"),
		netip.MustParsePrefix("fc00::/7"),
		netip.MustParsePrefix("fe80::/10"),
		netip.MustParsePrefix("ff00::/8"),
	}
}
