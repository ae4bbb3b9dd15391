// SPDX-License-Identifier: GPL-2.0-only

package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Option describes one option of `config mezoura` for people and for the pages
// and packages that show it.
type Option struct {
	Name    string   // in /etc/config/mezoura
	Type    string   // "bool", "integer", "duration", "string"
	List    bool     // may be given more than once
	Default []string // nil: empty
	Allowed string   // completes "want ..."
	Help    string   // whole sentences, plain words
	Flag    string   // the flag that sets the same, with its dash; "" none
	Arg     string   // what follows the flag, for the usage text; "" nothing

	set   func(*Config, string) error // adds to a list, else replaces
	clear func(*Config)               // of a list: what is given replaces the default
}

// The bounds of the numbers below. They keep a mistyped value from asking for
// more memory than a router has.
const (
	minInterval  = 100 * time.Millisecond
	maxInterval  = time.Hour
	minTable     = 16
	maxTable     = 1 << 20
	maxNetworks  = 64
	maxPrefixes  = 128 // of each family
	maxAliases   = 1024
	aliasMACs    = 64
	aliasNameLen = 255
)

// Options lists every option of `config mezoura`, in the order of the file that
// the package installs.
func Options() []Option { return options() }

func options() []Option {
	return []Option{
		{
			Name: "enabled", Type: "bool", Default: []string{"1"}, Allowed: "0 or 1",
			Help: "Whether the service starts.",
			set:  boolean(func(c *Config) *bool { return &c.Enabled }),
		},
		{
			Name: "network", Type: "string", List: true, Default: []string{"lan"},
			Allowed: "the name of a network of /etc/config/network",
			Help: "The networks whose hosts are counted, by their names in /etc/config/network. " +
				"Devices, addresses and IPv6 prefixes are found out and followed by themselves.",
			set: func(c *Config, v string) error {
				if !validNetwork(v) {
					return errValue
				}
				c.Networks = appendNew(c.Networks, v)
				return nil
			},
			clear: func(c *Config) { c.Networks = nil },
		},
		{
			Name: "subnet", Type: "string", List: true, Flag: "-4", Arg: "address/mask/device",
			Allowed: "address/mask/device such as 192.168.1.1/24/br-lan, or a device alone",
			Help: "An IPv4 network and the Linux device it is on, for systems without OpenWrt's networks: " +
				"192.168.1.1/24/br-lan. With the device alone its own addresses are followed.",
			set: func(c *Config, v string) error {
				s, err := parseSubnet(v)
				if err == nil {
					c.Subnets = appendNew(c.Subnets, s)
				}
				return err
			},
			clear: func(c *Config) { c.Subnets = nil },
		},
		{
			Name: "prefix6", Type: "string", List: true, Flag: "-6", Arg: "address/mask",
			Allowed: "an IPv6 prefix such as 2001:db8:ca2:2::1/64",
			Help: "An IPv6 prefix delegated by the provider, for systems without OpenWrt's networks: " +
				"2001:db8:ca2:2::1/64.",
			set: func(c *Config, v string) error {
				p, err := parsePrefix6(v)
				if err == nil {
					c.Prefixes6 = appendNew(c.Prefixes6, p)
				}
				return err
			},
			clear: func(c *Config) { c.Prefixes6 = nil },
		},
		{
			Name: "interval", Type: "duration", Default: []string{"10"}, Flag: "-t", Arg: "seconds",
			Allowed: "seconds from 0.1 to 3600, or a duration such as 30s or 5m",
			Help: "How often, in seconds, the counters are read and the text file is written. " +
				"It does not change what is counted.",
			set: func(c *Config, v string) (err error) {
				return assign(&c.Interval)(parseDurationIn(v, minInterval, maxInterval))
			},
		},
		{
			Name: "textfile", Type: "string", List: true, Default: []string{"/tmp/prom_c"},
			Flag: "-textfile", Arg: "path",
			Allowed: "an absolute path, or none",
			Help: "The file the numbers are written to in Prometheus' text format, whole or not at all. " +
				"none writes no file.",
			set: func(c *Config, v string) error {
				switch {
				case v == "none" && len(c.Textfiles) == 0:
				case validPath(v):
					c.Textfiles = appendNew(c.Textfiles, v)
				default:
					return errValue
				}
				return nil
			},
			clear: func(c *Config) { c.Textfiles = nil },
		},
		{
			Name: "exporter", Type: "bool", Default: []string{"0"}, Allowed: "0 or 1", Flag: "-e",
			Help: "Whether Prometheus can fetch the numbers over HTTP, at /metrics.",
			set:  boolean(func(c *Config) *bool { return &c.Exporter }),
		},
		{
			Name: "listen", Type: "string", Flag: "-listen", Arg: "address",
			Allowed: "an IP address of this router, or nothing for all of them",
			Help: "The address the exporter listens on. Empty means all addresses; " +
				"there is no password, so choose one that only the LAN can reach.",
			set: func(c *Config, v string) error {
				if v == "" {
					c.Listen = netip.Addr{}
					return nil
				}
				return assign(&c.Listen)(netip.ParseAddr(strings.Trim(v, "[]")))
			},
		},
		{
			Name: "port", Type: "integer", Default: []string{"9999"}, Flag: "-p", Arg: "port",
			Allowed: "a port from 1 to 65535",
			Help:    "The TCP port the exporter listens on.",
			set: func(c *Config, v string) error {
				n, err := parseInt(v, 1, 65535)
				if err == nil {
					c.Port = uint16(n)
				}
				return err
			},
		},
		{
			Name: "compat", Type: "bool", Default: []string{"1"}, Allowed: "0 or 1", Flag: "-compat",
			Help: "Whether the four node_nat_traffic_* metrics of the original program are published too. " +
				"They have one series for each address.",
			set: boolean(func(c *Config) *bool { return &c.Compat }),
		},
		{
			Name: "names", Type: "string", List: true,
			Default: []string{NamesAlias, NamesUCI, NamesDnsmasq, NamesOdhcpd, NamesEthers, NamesHosts},
			Allowed: "one of alias, uci, dnsmasq, odhcpd, ethers, hosts",
			Help: "Where names of hosts come from; the first that knows a host wins. alias: the aliases of this file. " +
				"uci: the static hosts of /etc/config/dhcp. dnsmasq and odhcpd: their leases. " +
				"ethers: /etc/ethers. hosts: /etc/hosts.",
			set: func(c *Config, v string) error {
				switch v {
				case NamesAlias, NamesUCI, NamesDnsmasq, NamesOdhcpd, NamesEthers, NamesHosts:
					c.Names = appendNew(c.Names, v)
					return nil
				}
				return errValue
			},
			clear: func(c *Config) { c.Names = nil },
		},
		{
			Name: "leases", Type: "string", Flag: "-leases", Arg: "path",
			Allowed: "an absolute path, or nothing for what /etc/config/dhcp says",
			Help:    "The file of dnsmasq's leases. Empty means what /etc/config/dhcp says.",
			set: func(c *Config, v string) error {
				if v != "" && !validPath(v) {
					return errValue
				}
				c.Paths.Leases = v
				return nil
			},
		},
		{
			Name: "internal", Type: "string", List: true, Default: internalDefault(),
			Allowed: "an IPv4 or IPv6 prefix",
			Help: "What is not the internet: traffic with these addresses is not counted. " +
				"A list here replaces the usual one of private and reserved addresses.",
			set: func(c *Config, v string) error {
				p, err := parsePrefix(v)
				if err == nil {
					c.Internal = sortPrefixes(append(c.Internal, p))
				}
				return err
			},
			clear: func(c *Config) { c.Internal = nil },
		},
		{
			Name: "internal_add", Type: "string", List: true,
			Allowed: "an IPv4 or IPv6 prefix",
			Help:    "Addresses that are not the internet either, in addition to the usual ones: a VPN or a second site.",
			set: func(c *Config, v string) error {
				p, err := parsePrefix(v)
				if err == nil {
					c.Internal = sortPrefixes(append(c.Internal, p))
				}
				return err
			},
		},
		{
			Name: "attach", Type: "string", Default: []string{string(AttachAuto)}, Flag: "-attach", Arg: "mode",
			Allowed: "auto, tcx or clsact",
			Help: "How the classifier is put on the devices. auto takes tcx where the kernel has it (6.6 and newer), " +
				"else clsact.",
			set: func(c *Config, v string) error {
				switch a := Attach(v); a {
				case AttachAuto, AttachTCX, AttachClsact:
					c.Attach = a
					return nil
				}
				return errValue
			},
		},
		{
			Name: "table_size", Type: "integer", Default: []string{"4096"}, Flag: "-table-size", Arg: "addresses",
			Allowed: "a number from " + strconv.Itoa(minTable) + " to " + strconv.Itoa(maxTable),
			Help: "How many addresses the kernel counts at the same time. What does not fit is counted as unattributed; " +
				"raise it when the status page says that the table is full.",
			set: func(c *Config, v string) error { return assign(&c.TableSize)(parseInt(v, minTable, maxTable)) },
		},
		{
			Name: "idle", Type: "duration", Default: []string{"10m"}, Flag: "-idle", Arg: "duration",
			Allowed: "a duration from 10s to 7d",
			Help: "An address that was silent this long is no longer listed; its traffic stays with its host. " +
				"IPv6 devices change their addresses all the time.",
			set: func(c *Config, v string) error {
				return assign(&c.Idle)(parseDurationIn(v, 10*time.Second, 7*24*time.Hour))
			},
		},
		{
			Name: "expire", Type: "duration", Default: []string{"30d"}, Flag: "-expire", Arg: "duration",
			Allowed: "a duration from 1m to 520w, or 0 for never",
			Help: "A host that was silent this long is no longer listed; its traffic stays with its network. " +
				"0 keeps hosts for ever.",
			set: func(c *Config, v string) error {
				d, err := parseDuration(v)
				if err != nil || d != 0 && (d < time.Minute || d > 520*7*24*time.Hour) {
					return errValue
				}
				if d == 0 {
					d = Never
				}
				c.Expire = d
				return nil
			},
		},
		{
			Name: "max_hosts", Type: "integer", Default: []string{"4096"}, Allowed: "a number from 1 to 1048576",
			Help: "How many hosts are listed at most. The traffic of further ones is counted together, as other.",
			set:  func(c *Config, v string) error { return assign(&c.MaxHosts)(parseInt(v, 1, 1<<20)) },
		},
		{
			Name: "max_addresses", Type: "integer", Default: []string{"16384"}, Allowed: "a number from 1 to 1048576",
			Help: "How many addresses of all hosts together are listed at most.",
			set:  func(c *Config, v string) error { return assign(&c.MaxAddresses)(parseInt(v, 1, 1<<20)) },
		},
		{
			Name: "max_host_addresses", Type: "integer", Default: []string{"64"}, Allowed: "a number from 1 to 65536",
			Help: "How many addresses of one host are listed at most.",
			set:  func(c *Config, v string) error { return assign(&c.MaxHostAddresses)(parseInt(v, 1, 1<<16)) },
		},
		{
			Name: "ubus_socket", Type: "string", Flag: "-ubus-socket", Arg: "path",
			Allowed: "an absolute path, or nothing for the usual one",
			Help:    "The socket of ubusd. Empty means where OpenWrt has it.",
			set: func(c *Config, v string) error {
				if v != "" && !validPath(v) {
					return errValue
				}
				c.UbusSocket = v
				return nil
			},
		},
		{
			Name: "ubus_embedded", Type: "bool", Default: []string{"0"}, Allowed: "0 or 1", Flag: "-ubus-embedded",
			Help: "Whether the daemon is its own ubus broker, for systems that have no ubusd.",
			set:  boolean(func(c *Config) *bool { return &c.UbusEmbedded }),
		},
		{
			Name: "memory_limit", Type: "integer", Default: []string{"12"}, Allowed: "MiB from 4 to 4096",
			Help: "How much memory, in MiB, the daemon tries to stay below. Read when the service starts.",
			set: func(c *Config, v string) error {
				n, err := parseInt(v, 4, 4096)
				if err == nil {
					c.MemoryLimit = int64(n) << 20
				}
				return err
			},
		},
		{
			Name: "procs", Type: "integer", Default: []string{"1"}, Allowed: "a number from 1 to 256",
			Help: "How many processors the daemon uses at the same time. Counting itself is done by the kernel on all of them. " +
				"Read when the service starts.",
			set: func(c *Config, v string) error { return assign(&c.Procs)(parseInt(v, 1, 256)) },
		},
	}
}

// AliasOptions lists the options of `config alias`.
func AliasOptions() []Option {
	return []Option{
		{
			Name: "name", Type: "string", Allowed: "a name of 1 to 255 bytes without control characters",
			Help: "The name the device is shown by.",
		},
		{
			Name: "mac", Type: "string", List: true, Allowed: "an address such as 00:11:22:33:44:55",
			Help: "The device's hardware address. A device with several (cable and wireless, or random ones) can have them all here: " +
				"they are shown as one.",
		},
	}
}

func internalDefault() []string {
	var list []string
	for _, p := range DefaultInternal() {
		list = append(list, p.String())
	}
	return list
}

func boolean(field func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, v string) error { return assign(field(c))(parseBool(v)) }
}

// assign stores what a parser returned unless it failed.
func assign[T any](to *T) func(T, error) error {
	return func(v T, err error) error {
		if err == nil {
			*to = v
		}
		return err
	}
}

func appendNew[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}
