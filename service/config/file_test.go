// SPDX-License-Identifier: GPL-2.0-only

package config_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/config"
	"github.com/mezoura/mezoura/service/uci"
)

func tree(t *testing.T, text string) (*uci.Tree, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "mezoura")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return uci.NewTree(dir), path
}

// bare is a tree that can do no more than github.com/digineo/go-uci's.
type bare struct{ config.Tree }

const full = `
config mezoura 'main'
	option enabled '0'
	list network 'lan'
	list network 'guest'
	list subnet '192.168.1.1/24/br-lan'
	list subnet 'wg0'
	list prefix6 '2001:db8:1::1/56'
	option interval '30'
	list textfile '/tmp/a b.prom'
	list textfile '/tmp/c'
	option exporter 'on'
	option listen '192.168.1.1'
	option port '9100'
	option compat 'no'
	list names 'hosts'
	list names 'uci'
	option leases '/mnt/leases'
	list internal '10.0.0.0/8'
	list internal 'fc00::/7'
	list internal_add '192.0.2.7'
	list internal_add '10.9.8.7/8'
	option attach 'tcx'
	option table_size '1024'
	option idle '5m'
	option expire '0'
	option max_hosts '10'
	option max_addresses '100'
	option max_host_addresses '20'
	option ubus_socket '/run/ubus.sock'
	option ubus_embedded '1'
	option memory_limit '20'
	option procs '2'

config alias 'tv'
	option name 'Télé du salon'
	option mac '00-11-22-AA-BB-CC 0011.2233.4455'
	list mac '0:1:2:3:4:5,000102030406'

config alias
	option name 'phone'
	list mac '02:00:00:00:00:01'

config alias 'printer'
	option mac '00:00:00:00:00:02'
`

func TestFile(t *testing.T) {
	want := config.Config{
		Networks:         []string{"lan", "guest"},
		Subnets:          []config.Subnet{subnet("192.168.1.1", "192.168.1.0/24", "br-lan"), {Device: "wg0"}},
		Prefixes6:        []netip.Prefix{netip.MustParsePrefix("2001:db8:1::/56")},
		Internal:         []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("fc00::/7")},
		Attach:           config.AttachTCX,
		Interval:         30 * time.Second,
		TableSize:        1024,
		Idle:             5 * time.Minute,
		Expire:           config.Never,
		MaxHosts:         10,
		MaxAddresses:     100,
		MaxHostAddresses: 20,
		Textfiles:        []string{"/tmp/a b.prom", "/tmp/c"},
		Exporter:         true,
		Listen:           netip.MustParseAddr("192.168.1.1"),
		Port:             9100,
		Names:            []string{"hosts", "uci"},
		Aliases: []config.Alias{
			{Name: "Télé du salon", MACs: [][6]byte{{0, 0x11, 0x22, 0xaa, 0xbb, 0xcc}, {0, 0x11, 0x22, 0x33, 0x44, 0x55}, {0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 6}}},
			{Name: "phone", MACs: [][6]byte{{2, 0, 0, 0, 0, 1}}},
			{Name: "printer", MACs: [][6]byte{{0, 0, 0, 0, 0, 2}}},
		},
		UbusSocket:   "/run/ubus.sock",
		UbusEmbedded: true,
		MemoryLimit:  20 << 20,
		Procs:        2,
		StateDir:     "/var/run/mezoura",
		BPFFS:        "/sys/fs/bpf/mezoura",
		Paths:        config.Paths{EtcConfig: "/etc/config", Leases: "/mnt/leases", Ethers: "/etc/ethers", Hosts: "/etc/hosts"},
	}
	full, _ := tree(t, full)
	for name, tree := range map[string]config.Tree{"own": full, "bare": bare{full}} {
		got, err := config.FromUCI(tree)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got\n%+v\nwant\n%+v", name, got, want)
		}
	}
}

func TestSmallFiles(t *testing.T) {
	for _, test := range []struct {
		text   string
		change func(*config.Config)
	}{
		{"", func(*config.Config) {}},
		{"config mezoura\n", func(*config.Config) {}},
		{"config mezoura\noption network 'lan guest'\n", func(c *config.Config) { c.Networks = []string{"lan", "guest"} }},
		{"config mezoura\nlist network lan\nlist network lan\n", func(*config.Config) {}},
		{"config mezoura\nlist subnet br-lan\n", func(c *config.Config) {
			c.Networks, c.Subnets = nil, []config.Subnet{{Device: "br-lan"}}
		}},
		{"config mezoura\nlist prefix6 2001:db8::/48\n", func(c *config.Config) {
			c.Prefixes6 = []netip.Prefix{netip.MustParsePrefix("2001:db8::/48")}
		}},
		{"config mezoura\noption names 'uci alias'\n", func(c *config.Config) { c.Names = []string{"uci", "alias"} }},
		{"config mezoura\noption textfile none\n", func(c *config.Config) { c.Textfiles = nil }},
		{"config mezoura\noption internal_add 198.18.0.0/15\n", func(c *config.Config) {
			c.Internal = append(c.Internal[:7:7], append([]netip.Prefix{netip.MustParsePrefix("198.18.0.0/15")}, c.Internal[7:]...)...)
		}},
	} {
		want := config.Default()
		test.change(&want)
		tree, _ := tree(t, test.text)
		if got, err := config.FromUCI(tree); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, got\n%+v\nwant\n%+v", test.text, err, got, want)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	tree, path := tree(t, `config mezoura main
	option enabled maybe
	option intervall 5
	option interval soon
	list network lan
	list network 'g-uest'
	list subnet 10.0.0.1/24
	list prefix6 fd00::
	option port 70000
	option memory_limit 1
	list port 8
	list names dns
	option names2 x
	list internal 0.0.0.0/0
	list internal_add 10.0.0.300
	list internal_add ::ffff:1.2.3.4
	option leases leases
	option listen lan
	option max_hosts 0
	option max_addresses ten
	option max_host_addresses ''
	list max_host_addresses ''
	option procs 1000
	option utterly_different 1
config mezoura
config alias
config alias a
	list name x
	list name y
	list mac nonsense
config alias b
	option nmae b
	option name ' b'
	list mac 00:11:22:33:44:55
	list mac 01:11:22:33:44:55
	list mac 00:00:00:00:00:00
config alias c
	list mac 00:11:22:33:44:55
	option name "a	b"
config host
`)
	_, err := config.FromUCI(tree)
	errs, ok := err.(config.Errors)
	if !ok {
		t.Fatalf("got %v", err)
	}
	want := []string{
		`2: option enabled "maybe": want 0 or 1`,
		`3: option intervall "5": unknown option; did you mean interval?`,
		`4: option interval "soon": want seconds from 0.1 to 3600, or a duration such as 30s or 5m`,
		`6: option network "g-uest": want the name of a network of /etc/config/network`,
		`7: option subnet "10.0.0.1/24": want address/mask/device such as 192.168.1.1/24/br-lan, or a device alone`,
		`8: option prefix6 "fd00::": want an IPv6 prefix such as 2001:db8:ca2:2::1/64`,
		`10: option memory_limit "1": want MiB from 4 to 4096`,
		`11: option port "8": given more than once; want one value`,
		`12: option names "dns": want one of alias, uci, dnsmasq, odhcpd, ethers, hosts`,
		`13: option names2 "x": unknown option; did you mean names?`,
		`14: option internal "0.0.0.0/0": want an IPv4 or IPv6 prefix`,
		`15: option internal_add "10.0.0.300": want an IPv4 or IPv6 prefix`,
		`16: option internal_add "::ffff:1.2.3.4": want an IPv4 or IPv6 prefix`,
		`17: option leases "leases": want an absolute path, or nothing for what /etc/config/dhcp says`,
		`18: option listen "lan": want an IP address of this router, or nothing for all of them`,
		`19: option max_hosts "0": want a number from 1 to 1048576`,
		`20: option max_addresses "ten": want a number from 1 to 1048576`,
		`22: option max_host_addresses: want a number from 1 to 65536`,
		`23: option procs "1000": want a number from 1 to 256`,
		`24: option utterly_different "1": unknown option`,
		`25: config @mezoura[1]: a second section of type mezoura; want one`,
		`26: config @alias[0]: an alias without a name`,
		`26: config @alias[0]: an alias without a mac`,
		`29: option name "y": given more than once; want one value`,
		`30: option mac "nonsense": want an address such as 00:11:22:33:44:55`,
		`32: option nmae "b": unknown option; did you mean name?`,
		`33: option name " b": want a name of 1 to 255 bytes without control characters`,
		`35: option mac "01:11:22:33:44:55": want an address such as 00:11:22:33:44:55`,
		`36: option mac "00:00:00:00:00:00": want an address such as 00:11:22:33:44:55`,
		`38: option mac "00:11:22:33:44:55": already in alias b`,
		`39: option name "a\tb": want a name of 1 to 255 bytes without control characters`,
		`40: config @host[0] "host": unknown type of section; want mezoura or alias`,
	}
	lines := errs.Lines()
	for i := range max(len(lines), len(want)) {
		got, expected := "nothing", "nothing"
		if i < len(lines) {
			got = lines[i]
		}
		if i < len(want) {
			expected = path + ":" + want[i]
		}
		if got != expected {
			t.Errorf("got  %s\nwant %s", got, expected)
		}
	}
}

func TestProblemsWithoutLines(t *testing.T) {
	tree, _ := tree(t, "config mezoura\noption port x\nconfig alias a\noption name b\n")
	_, err := config.FromUCI(bare{tree})
	want := `/etc/config/mezoura: option port of config @mezoura[0] "x": want a port from 1 to 65535; ` +
		`/etc/config/mezoura: config a: an alias without a mac`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestWholeFile(t *testing.T) {
	many := func(option, format string, n int) string {
		var b strings.Builder
		b.WriteString("config mezoura\n")
		for i := range n {
			b.WriteString("list " + option + " " + strings.ReplaceAll(strings.ReplaceAll(format, "%a", string(rune('a'+i%26))+string(rune('a'+i/26))),
				"%d", netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String()) + "\n")
		}
		return b.String()
	}
	aliases := strings.Repeat("config alias\noption name a\noption mac x\n", 1026)
	var macs strings.Builder
	macs.WriteString("config alias a\n")
	for i := range 66 {
		macs.WriteString("list mac 0000000000" + string("0123456789abcdef"[i>>4]) + string("0123456789abcdef"[i&15]) + "\n")
	}
	for _, test := range []struct{ text, want string }{
		{"config mezoura\noption max_host_addresses 20000\n", ":2: option max_host_addresses: more than max_addresses"},
		{many("network", "n%a", 65), ":2: option network: more than 64 networks and subnets"},
		{many("subnet", "n%a", 65), ":2: option subnet: more than 64 networks and subnets"},
		{many("internal", "%d/32", 129), ":2: option internal: more than 128 prefixes of one family"},
		{many("network", "", 1), ":2: option network: no network at all; want the name of at least one"},
		{"config mezoura\noption x 'y\n", ":2: value without closing '"},
		{"config mezoura x y\noption x y z\n", ":1: too many arguments; a value with blanks must be quoted"},
		{aliases, ":3073: config @alias[1024]: more than 1024 aliases"},
		{macs.String(), `:67: option mac "000000000041": more than 64 addresses in one alias`},
	} {
		tree, path := tree(t, test.text)
		_, err := config.FromUCI(tree)
		if err == nil || !strings.Contains(err.Error(), path+test.want) {
			t.Errorf("got %.300v\nwant %s", err, test.want)
		}
	}
}

func TestUnreadableFile(t *testing.T) {
	dir := t.TempDir()
	_, err := config.FromUCI(uci.NewTree(dir))
	if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "mezoura")+": no such file") || !strings.Contains(err.Error(), "give -4") {
		t.Errorf("absent: got %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "mezoura"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = config.FromUCI(uci.NewTree(dir))
	if err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("folder: got %v", err)
	}
}

// Flags other than -4 go over the file, at the start as at each reload.
func TestFlagsOverFile(t *testing.T) {
	tree, path := tree(t, "config mezoura\noption port 9000\noption interval 5\noption leases /l\nlist textfile /a\n")
	cmd, err := config.FromFlags(strings.Fields("-e -p 9001 -textfile /b -config /c -state /s -bpffs /f -6 2001:db8::/48"))
	if err != nil || !cmd.UCI {
		t.Fatalf("%+v, %v", cmd, err)
	}
	want := config.Default()
	want.Exporter, want.Port, want.Interval, want.Textfiles = true, 9001, 5*time.Second, []string{"/b"}
	want.Prefixes6 = []netip.Prefix{netip.MustParsePrefix("2001:db8::/48")}
	want.StateDir, want.BPFFS, want.Paths.EtcConfig, want.Paths.Leases = "/s", "/f", "/c", "/l"
	if got, err := cmd.Load(tree); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, got\n%+v\nwant\n%+v", err, got, want)
	}
	if err := os.WriteFile(path, []byte("config mezoura\noption port x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.Load(tree); err == nil {
		t.Error("a bad file was accepted")
	}
	if err := os.WriteFile(path, []byte("config mezoura\n"+strings.Repeat("list prefix6 2001:db8::/48\n", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := cmd.Load(tree); err != nil || len(got.Prefixes6) != 1 {
		t.Errorf("equal prefixes: %v, %v", got.Prefixes6, err)
	}
}

// Each default is one that the option itself takes, and each option says what it
// is in whole sentences.
func TestOptionsExplainThemselves(t *testing.T) {
	for _, o := range append(config.Options(), config.AliasOptions()...) {
		if o.Name == "" || o.Allowed == "" || !strings.HasSuffix(o.Help, ".") {
			t.Errorf("option %+v", o)
		}
		switch o.Type {
		case "bool", "integer", "duration", "string":
		default:
			t.Errorf("option %s is of type %q", o.Name, o.Type)
		}
	}
	var text strings.Builder
	text.WriteString("config mezoura\n")
	for _, o := range config.Options() {
		word := "option"
		if o.List {
			word = "list"
		}
		for _, d := range o.Default {
			text.WriteString(word + " " + o.Name + " '" + d + "'\n")
		}
	}
	tree, _ := tree(t, text.String())
	if got, err := config.FromUCI(tree); err != nil || !reflect.DeepEqual(got, config.Default()) {
		t.Errorf("%v, got\n%+v\nwant\n%+v", err, got, config.Default())
	}
}

// The file that the package installs is valid and explains every option.
func TestInstalledFile(t *testing.T) {
	const installed = "../../openwrt-package/mezoura/files/mezoura.config"
	data, err := os.ReadFile(installed)
	if err != nil {
		t.Fatal(err)
	}
	tree, _ := tree(t, string(data))
	got, err := config.FromUCI(tree)
	if err != nil {
		t.Fatal(err)
	}
	if change := config.Diff(config.Default(), got); len(change.Options) > 1 || len(change.Options) == 1 && change.Options[0] != "enabled" {
		t.Errorf("it sets other than the defaults: %v", change.Options)
	}
	for _, o := range append(config.Options(), config.AliasOptions()...) {
		if !strings.Contains(string(data), " "+o.Name+" ") {
			t.Errorf("no word on option %s", o.Name)
		}
	}
}

func FuzzFromUCI(f *testing.F) {
	f.Add(full)
	f.Add("config mezoura\noption port '70000'\nlist internal ::/0\nconfig alias\nlist mac 1\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(filepath.Join(dir, "mezoura"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.FromUCI(uci.NewTree(dir))
		if err != nil {
			for _, line := range err.(config.Errors).Lines() {
				if strings.ContainsAny(line, "\n\r") || !strings.HasPrefix(line, dir) {
					t.Errorf("got %q", line)
				}
			}
			return
		}
		if change := config.Diff(c, c); change.Any() {
			t.Errorf("differs from itself: %v", change)
		}
		for _, a := range c.Aliases {
			if a.Name == "" || len(a.MACs) == 0 {
				t.Errorf("alias %+v", a)
			}
		}
	})
}
