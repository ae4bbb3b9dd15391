// SPDX-License-Identifier: GPL-2.0-only

package config_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/mezoura/mezoura/service/config"
)

func TestParseMAC(t *testing.T) {
	want := [6]byte{0, 0x11, 0x22, 0xaa, 0x0b, 0xc}
	for _, s := range []string{
		"00:11:22:aa:0b:0c", "00:11:22:AA:0B:0C", "00-11-22-Aa-0b-0C", "00.11.22.aa.0b.0c", "0:11:22:aa:b:c", "001122AA0b0C", "0011.22aa.0B0c",
	} {
		if got, ok := config.ParseMAC(s); !ok || got != want {
			t.Errorf("%q: got %x, %v", s, got, ok)
		}
	}
	for _, s := range []string{
		"", ":", "00:11:22:aa:0b", "00:11:22:aa:0b:0c:0d", "00:11:22:aa:0b:", ":11:22:aa:0b:0c", "000:11:22:aa:0b:0c", "00:11:22:aa:0b:0g",
		"001122aa0b0", "001122aa0b0cd", "001122aa0b0g", "0011.22aa.0b0g", "+0:11:22:aa:0b:0c", "+0112233aabb", "00:11:22:aa:0b:*", "00 11 22 aa 0b 0c", "id:01:02:03:04",
	} {
		if got, ok := config.ParseMAC(s); ok || got != [6]byte{} {
			t.Errorf("%q: got %x", s, got)
		}
	}
}

func FuzzParseMAC(f *testing.F) {
	for _, s := range []string{"00:11:22:aa:0b:0c", "0:1:2:3:4:5", "0011.22aa.0b0c", "001122aa0b0c", "a-b-c-d-e-f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		mac, ok := config.ParseMAC(s)
		if !ok {
			return
		}
		if again, ok := config.ParseMAC(fmt.Sprintf("%x", mac[:])); !ok || again != mac || strings.Trim(s, "0123456789abcdefABCDEF:-.") != "" {
			t.Errorf("%q: %x, then %x", s, mac, again)
		}
	})
}

func TestDiff(t *testing.T) {
	if c := config.Diff(config.Default(), config.Default()); c.Any() || !reflect.DeepEqual(c, config.Change{}) {
		t.Errorf("nothing changed: %+v", c)
	}
	empty := config.Default()
	empty.Subnets, empty.Aliases = []config.Subnet{}, []config.Alias{}
	if c := config.Diff(config.Default(), empty); c.Any() {
		t.Errorf("no list and an empty one: %+v", c)
	}
	for _, test := range []struct {
		change func(*config.Config)
		want   config.Change
	}{
		{func(c *config.Config) { c.Networks = []string{"lan", "x"} }, config.Change{Networks: true, Options: []string{"network"}}},
		{func(c *config.Config) { c.Subnets = []config.Subnet{{Device: "x"}} }, config.Change{Networks: true, Options: []string{"subnet"}}},
		{func(c *config.Config) { c.Prefixes6 = []netip.Prefix{netip.MustParsePrefix("fd00::/8")} }, config.Change{Networks: true, Options: []string{"prefix6"}}},
		{func(c *config.Config) { c.Internal = nil }, config.Change{Networks: true, Options: []string{"internal"}}},
		{func(c *config.Config) { c.Attach = config.AttachTCX }, config.Change{Attach: true, Options: []string{"attach"}}},
		{func(c *config.Config) { c.TableSize++ }, config.Change{Table: true, Options: []string{"table_size"}}},
		{func(c *config.Config) { c.Interval++ }, config.Change{Interval: true, Options: []string{"interval"}}},
		{func(c *config.Config) { c.Idle++; c.Expire++; c.MaxHosts++; c.MaxAddresses++; c.MaxHostAddresses++ },
			config.Change{Limits: true, Options: []string{"idle", "expire", "max_hosts", "max_addresses", "max_host_addresses"}}},
		{func(c *config.Config) { c.Textfiles = nil }, config.Change{Textfile: true, Options: []string{"textfile"}}},
		{func(c *config.Config) { c.Exporter = true; c.Listen = netip.IPv6Loopback(); c.Port++ },
			config.Change{Exporter: true, Options: []string{"exporter", "listen", "port"}}},
		{func(c *config.Config) { c.Compat = false }, config.Change{Exporter: true, Textfile: true, Options: []string{"compat"}}},
		{func(c *config.Config) {
			c.Names = []string{"uci"}
			c.Aliases = []config.Alias{{}}
			c.Paths.Leases = "/x"
		},
			config.Change{Names: true, Options: []string{"names", "alias", "leases"}}},
		{func(c *config.Config) { c.UbusSocket = "/x"; c.UbusEmbedded = true }, config.Change{Ubus: true, Options: []string{"ubus_socket", "ubus_embedded"}}},
		{func(c *config.Config) {
			c.Enabled = false
			c.Procs++
			c.MemoryLimit++
			c.StateDir = "/x"
			c.BPFFS = "/x"
		}, config.Change{
			Restart: []string{"enabled", "memory_limit", "procs", "state", "bpffs"}, Options: []string{"enabled", "memory_limit", "procs", "state", "bpffs"}}},
	} {
		after := config.Default()
		test.change(&after)
		if got := config.Diff(config.Default(), after); !got.Any() || !reflect.DeepEqual(got, test.want) {
			t.Errorf("got %+v, want %+v", got, test.want)
		}
	}
}
