// SPDX-License-Identifier: GPL-2.0-only

package config_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/config"
)

func subnet(addr, prefix, device string) config.Subnet {
	s := config.Subnet{Device: device}
	if addr != "" {
		s.Addr, s.Prefix = netip.MustParseAddr(addr), netip.MustParsePrefix(prefix)
	}
	return s
}

// with is the default configuration with one of the original's -4 and what change
// does to it.
func with(change func(*config.Config)) config.Config {
	c := config.Default()
	c.Networks = nil
	c.Subnets = []config.Subnet{subnet("192.168.1.1", "192.168.1.0/24", "br-lan")}
	if change != nil {
		change(&c)
	}
	return c
}

func TestFlags(t *testing.T) {
	const lan = "-4 192.168.1.1/24/br-lan "
	for _, test := range []struct {
		args   string
		change func(*config.Config)
	}{
		{args: lan},
		{args: "-4192.168.1.1/24/br-lan"},
		{args: "-4 192.168.1.1/255.255.255.0/br-lan"},
		{args: "--4=192.168.1.1/24/br-lan"},
		{
			args: "-e -4 192.168.2.1/24/br-lan -4 192.168.2.3/24/br-foo -6 2001:db8:ca2:2::1/64 -t 10",
			change: func(c *config.Config) {
				c.Exporter = true
				c.Subnets = []config.Subnet{subnet("192.168.2.1", "192.168.2.0/24", "br-lan"), subnet("192.168.2.3", "192.168.2.0/24", "br-foo")}
				c.Prefixes6 = []netip.Prefix{netip.MustParsePrefix("2001:db8:ca2:2::/64")}
				c.Interval = 10 * time.Second
			},
		},
		{args: "-4 br-lan", change: func(c *config.Config) { c.Subnets = []config.Subnet{{Device: "br-lan"}} }},
		{args: "-4 192.168.1.0/24/eth0 -4 eth1", change: func(c *config.Config) {
			c.Subnets = []config.Subnet{subnet("192.168.1.0", "192.168.1.0/24", "eth0"), {Device: "eth1"}}
		}},
		{args: lan + "-p 8080 -e", change: func(c *config.Config) { c.Port, c.Exporter = 8080, true }},
		{args: lan + "-ep8080", change: func(c *config.Config) { c.Port, c.Exporter = 8080, true }},
		{args: lan + "-et5", change: func(c *config.Config) { c.Interval, c.Exporter = 5*time.Second, true }},
		{args: lan + "-ee", change: func(c *config.Config) { c.Exporter = true }},
		{args: lan + "-ep 8080", change: func(c *config.Config) { c.Port, c.Exporter = 8080, true }},
		{args: lan + "-t0.5", change: func(c *config.Config) { c.Interval = 500 * time.Millisecond }},
		{args: lan + "-t 2m", change: func(c *config.Config) { c.Interval = 2 * time.Minute }},
		{args: lan + "-62001:db8::/56", change: func(c *config.Config) { c.Prefixes6 = []netip.Prefix{netip.MustParsePrefix("2001:db8::/56")} }},
		{args: lan + "-compat=false", change: func(c *config.Config) { c.Compat = false }},
		{args: lan + "-compat", change: func(c *config.Config) { c.Compat = true }},
		{args: lan + "-textfile /a -textfile=/b", change: func(c *config.Config) { c.Textfiles = []string{"/a", "/b"} }},
		{args: lan + "-textfile none", change: func(c *config.Config) { c.Textfiles = nil }},
		{args: lan + "-listen 192.168.1.1", change: func(c *config.Config) { c.Listen = netip.MustParseAddr("192.168.1.1") }},
		{args: lan + "-listen [fd00::1]", change: func(c *config.Config) { c.Listen = netip.MustParseAddr("fd00::1") }},
		{args: lan + "-listen=", change: func(*config.Config) {}},
		{args: lan + "-table-size 65536 -idle 90 -expire 1d12h", change: func(c *config.Config) {
			c.TableSize, c.Idle, c.Expire = 65536, 90*time.Second, 36*time.Hour
		}},
		{args: lan + "-expire 0", change: func(c *config.Config) { c.Expire = config.Never }},
		{args: lan + "-expire 2w", change: func(c *config.Config) { c.Expire = 14 * 24 * time.Hour }},
		{args: lan + "-attach clsact", change: func(c *config.Config) { c.Attach = config.AttachClsact }},
		{args: lan + "-leases /l -ubus-socket /u -ubus-embedded", change: func(c *config.Config) {
			c.Paths.Leases, c.UbusSocket, c.UbusEmbedded = "/l", "/u", true
		}},
		{args: lan + "-leases= -ubus-socket=", change: func(*config.Config) {}},
		{args: lan + "-config /c -state /s -bpffs /b", change: func(c *config.Config) {
			c.Paths.EtcConfig, c.StateDir, c.BPFFS = "/c", "/s", "/b"
		}},
	} {
		t.Run(test.args, func(t *testing.T) {
			cmd, err := config.FromFlags(strings.Fields(test.args))
			if err != nil {
				t.Fatal(err)
			}
			if want := with(test.change); !reflect.DeepEqual(cmd.Config, want) {
				t.Errorf("got  %+v\nwant %+v", cmd.Config, want)
			}
			if cmd.UCI || cmd.Action != config.Run {
				t.Errorf("uci %v, action %v", cmd.UCI, cmd.Action)
			}
			// Nothing of the file is asked for.
			if c, err := cmd.Load(nil); err != nil || !reflect.DeepEqual(c, cmd.Config) {
				t.Errorf("load: %+v, %v", c, err)
			}
		})
	}
}

func TestActions(t *testing.T) {
	for args, want := range map[string]config.Action{
		"": config.Run, "-e": config.Run, "-detach": config.Detach, "--detach -bpffs /b": config.Detach,
		"-version": config.Version, "-help": config.Help, "-h": config.Help, "-detach -help": config.Help,
	} {
		cmd, err := config.FromFlags(strings.Fields(args))
		if err != nil || cmd.Action != want || !cmd.UCI {
			t.Errorf("%q: %+v, %v", args, cmd, err)
		}
	}
}

func TestBadFlags(t *testing.T) {
	const (
		subnets  = ": want address/mask/device such as 192.168.1.1/24/br-lan, or a device alone"
		prefixes = ": want an IPv6 prefix such as 2001:db8:ca2:2::1/64"
		interval = ": want seconds from 0.1 to 3600, or a duration such as 30s or 5m"
		port     = ": want a port from 1 to 65535"
		unknown  = ": unknown; mezoura -help lists the flags"
		stray    = ": not a flag or command; mezoura -help lists them"
	)
	for args, want := range map[string]string{
		"-4 192.168.1.1/24":                   `flag -4 "192.168.1.1/24"` + subnets,
		"-4 192.168.1.1/33/br-lan":            `flag -4 "192.168.1.1/33/br-lan"` + subnets,
		"-4 192.168.1.1/0/br-lan":             `flag -4 "192.168.1.1/0/br-lan"` + subnets,
		"-4 192.168.1.1/255.0.255.0/br-lan":   `flag -4 "192.168.1.1/255.0.255.0/br-lan"` + subnets,
		"-4 192.168.1.1/0.0.0.0/br-lan":       `flag -4 "192.168.1.1/0.0.0.0/br-lan"` + subnets,
		"-4 192.168.1.1/fe.80/br-lan":         `flag -4 "192.168.1.1/fe.80/br-lan"` + subnets,
		"-4 192.168.1.300/24/br-lan":          `flag -4 "192.168.1.300/24/br-lan"` + subnets,
		"-4 2001:db8::1/64/br-lan":            `flag -4 "2001:db8::1/64/br-lan"` + subnets,
		"-4 192.168.1.1/24/averyveryverylong": `flag -4 "192.168.1.1/24/averyveryverylong"` + subnets,
		"-4 192.168.1.1":                      `flag -4 "192.168.1.1"` + subnets,
		"-4 192.168.1.1/24/":                  `flag -4 "192.168.1.1/24/"` + subnets,
		"-4":                                  `flag -4` + subnets,
		"-6 2001:db8::1":                      `flag -6 "2001:db8::1"` + prefixes,
		"-6 ::/0":                             `flag -6 "::/0"` + prefixes,
		"-6 192.168.1.0/24":                   `flag -6 "192.168.1.0/24"` + prefixes,
		"-6 ::ffff:192.168.1.0/120":           `flag -6 "::ffff:192.168.1.0/120"` + prefixes,
		"-t 0":                                `flag -t "0"` + interval,
		"-t 3601":                             `flag -t "3601"` + interval,
		"-t -5":                               `flag -t "-5"` + interval,
		"-t 1.2.3":                            `flag -t "1.2.3"` + interval,
		"-t 5y":                               `flag -t "5y"` + interval,
		"-t s":                                `flag -t "s"` + interval,
		"-t=":                                 `flag -t` + interval,
		"-expire 99999999999999999w":          `flag -expire "99999999999999999w": want a duration from 1m to 520w, or 0 for never`,
		"-p 65536":                            `flag -p "65536"` + port,
		"-p http":                             `flag -p "http"` + port,
		"-p":                                  `flag -p` + port,
		"-e=maybe":                            `flag -e "maybe": want 0 or 1`,
		"-listen here":                        `flag -listen "here": want an IP address of this router, or nothing for all of them`,
		"-attach xdp":                         `flag -attach "xdp": want auto, tcx or clsact`,
		"-table-size 1":                       `flag -table-size "1": want a number from 16 to 1048576`,
		"-idle 1s":                            `flag -idle "1s": want a duration from 10s to 7d`,
		"-textfile prom":                      `flag -textfile "prom": want an absolute path, or none`,
		"-config etc":                         `flag -config "etc": want an absolute path`,
		"-leases l":                           `flag -leases "l": want an absolute path, or nothing for what /etc/config/dhcp says`,
		"-ubus-socket u":                      `flag -ubus-socket "u": want an absolute path, or nothing for the usual one`,
		"-foo":                                `flag -foo` + unknown,
		"--foo=bar":                           `flag -foo` + unknown,
		"-expir 3d":                           `flag -expir` + unknown + `; "3d"` + stray,
		"-tfoo":                               `flag -tfoo` + unknown,
		"-version=1":                          `flag -version` + unknown,
		"eth0":                                `"eth0"` + stray,
		"- --":                                `"-"` + stray + `; "--"` + stray,
		"-p 0 -t x -4 y/z":                    `flag -p "0"` + port + `; flag -t "x"` + interval + `; flag -4 "y/z"` + subnets,
		strings.Repeat("-4 a ", 3) + "-4 " + strings.Repeat("x", 300): `flag -4 "` + strings.Repeat("x", 80) + `"...` + subnets,
	} {
		_, err := config.FromFlags(strings.Fields(args))
		if err == nil || err.Error() != want {
			t.Errorf("%q:\ngot  %v\nwant %s", args, err, want)
		}
	}
}

func TestTooManyFlags(t *testing.T) {
	var nets, prefixes []string
	for i := range 129 {
		nets = append(nets, "-4", "eth"+string(rune('a'+i%26))+string(rune('a'+i/26)))
		prefixes = append(prefixes, "-6", netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, byte(i)}), 64).String())
	}
	for want, args := range map[string][]string{
		"flag -4: more than 64 networks and subnets": nets,
		"flag -6: more than 128 prefixes":            prefixes,
	} {
		if _, err := config.FromFlags(args); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestErrorsAreOneLine(t *testing.T) {
	_, err := config.FromFlags([]string{"-attach", "a\nb\x1b[31m\u202e", "-p", "x" + strings.Repeat("ä", 60)})
	if err == nil || strings.ContainsAny(err.Error(), "\n\x1b\u202e") {
		t.Errorf("got %q", err)
	}
	if lines := err.(config.Errors).Lines(); len(lines) != 2 || !strings.HasPrefix(lines[1], `flag -p "x`) {
		t.Errorf("got %q", lines)
	}
}

func TestUsageNamesEveryFlag(t *testing.T) {
	usage := config.Usage()
	for _, flag := range strings.Fields("-e -p -4 -6 -t -config -state -bpffs -textfile -listen -compat -table-size -idle -expire " +
		"-ubus-socket -ubus-embedded -attach -detach -leases -version") {
		if !strings.Contains(usage, "\n  "+flag+" ") && !strings.Contains(usage, "\n  "+flag+"\n") {
			t.Errorf("no %s in\n%s", flag, usage)
		}
	}
}

func FuzzFromFlags(f *testing.F) {
	for _, s := range []string{
		"-e -p 9999 -4 192.168.2.1/24/br-lan -6 2001:db8::1/64 -t 10", "-ep9999", "-eeet5", "--compat=no -textfile /a -textfile none",
		"-4 br-lan -4 1.2.3.4/255.255.0.0/x", "-expire 1d12h30m0.5s500ms", "-listen [::1] -attach tcx -idle 99999999999999999999d",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		cmd, err := config.FromFlags(strings.Split(line, " "))
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		c := cmd.Config
		if c.Interval < 100*time.Millisecond || c.Port == 0 || c.TableSize < 16 || len(c.Networks)+len(c.Subnets) == 0 {
			t.Errorf("accepted %+v", c)
		}
		for _, s := range c.Subnets {
			if s.Device == "" || s.Prefix.IsValid() && !s.Prefix.Contains(s.Addr) {
				t.Errorf("subnet %+v", s)
			}
		}
	})
}
