// SPDX-License-Identifier: GPL-2.0-only

package hosts_test

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/hosts"
)

// describe is records in a short form: name mac,mac addr,addr duid expiry.
func describe(list []hosts.Named) string {
	var lines []string
	for _, r := range list {
		var macs, addrs []string
		for _, m := range r.MACs {
			macs = append(macs, m.String())
		}
		for _, a := range r.Addrs {
			addrs = append(addrs, a.String())
		}
		lines = append(lines, fmt.Sprintf("%s|%s|%s|%s|%d", r.Name, strings.Join(macs, ","), strings.Join(addrs, ","), r.DUID, r.Expires))
	}
	return strings.Join(lines, "\n")
}

func TestParsers(t *testing.T) {
	for _, test := range []struct {
		name, in, want string
		parse          func(io.Reader) ([]hosts.Named, error)
	}{
		{
			name: "dnsmasq", parse: hosts.ParseDnsmasq,
			in: "1700000000 00:11:22:33:44:55 192.168.1.2 foo 01:00:11:22:33:44:55\n" +
				"0 02:11:22:33:44:55 192.168.1.3 bar *\n" +
				"1700000000 02:00:00:00:00:09 192.168.1.4 * *\n" +
				"1700000000 20-00:11:22:33:44:55 192.168.1.5 infiniband *\n" +
				"\n broken line\n" +
				"x 00:11:22:33:44:55 192.168.1.2 foo *\n1 00:11:22:33:44:55 192.168.1.256 foo *\n1 ff:ff:ff:ff:ff:ff 192.168.1.2 all *\n" +
				"duid 00:01:00:01:aa\n" +
				"1700000001 1234 2001:db8::2 baz 00:01:00:01:2b:cc:dd:ee:00:11:22:33:44:55\n" +
				"1700000002 T99 2001:db8::3 * 00:02:00:00\n" +
				"1700000003 99 2001:db8::4 * *\n",
			want: "foo|00:11:22:33:44:55|192.168.1.2||1700000000\n" +
				"bar|02:11:22:33:44:55|192.168.1.3||0\n" +
				"baz||2001:db8::2|000100012bccddee001122334455|1700000001\n" +
				"||2001:db8::3|00020000|1700000002",
		},
		{
			name: "odhcpd", parse: hosts.ParseOdhcpd,
			in: "# br-lan 000100012bccddee001122334455 1f foo 1700000000 a12 128 2001:db8::a12/128 fd00::a12/128\n" +
				"# br-lan 0003000100aabbccddee 1f - -1 b 60 2001:db8:0:10::/60\n" +
				"# br-lan 001122334466 ipv4 bar 1700000001 c0a80164 32 192.168.1.100/32\n" +
				"# br-lan 0:11:22:33:44:77 ipv4 broken\\x20my\\x20pc\\x1b[31m 1700000002 c0a80165 32 192.168.1.101/32\n" +
				"# br-lan 0:11:22:33:44:88 ipv4 - 1700000002 c0a80166 32 192.168.1.102/32\n" +
				"# br-lan zz ipv4 bad 1700000002 c0a80166 32 192.168.1.102/32\n" +
				"# br-lan 00 ff name x a 128\n# short\n" +
				"# br-lan 00010203 1 od\\xzz\\x4 9 a 128 fe80::1/128\n" +
				"2001:db8::a12\tfoo.lan\tfoo\n",
			want: "foo||2001:db8::a12,fd00::a12|000100012bccddee001122334455|1700000000\n" +
				"|||0003000100aabbccddee|0\n" +
				"bar|00:11:22:33:44:66|192.168.1.100||1700000001\n" +
				"my pc[31m|00:11:22:33:44:77|192.168.1.101||1700000002\n" +
				`od\xzz\x4||fe80::1|00010203|9` + "\n" +
				"foo.lan||2001:db8::a12||0",
		},
		{
			name: "ethers", parse: hosts.ParseEthers,
			in:   "# comment\n0:11:22:33:44:55 foo\n00:11:22:33:44:66 192.168.1.2\n00:11:22:33:44:77\tbar# x\n00:11:22:33:44:88 #bar\nnonsense baz\n00:11:22:33:44:99 \x01\n",
			want: "foo|00:11:22:33:44:55|||0\nbar|00:11:22:33:44:77|||0",
		},
		{
			name: "hosts", parse: hosts.ParseHosts,
			in:   "127.0.0.1 localhost\n::1 localhost\n0.0.0.0 ads.example\n192.168.1.2 nas nas.lan # disk\n::ffff:192.168.1.9 mapped\nfe80::1%eth0 link\nff02::1 all\n255.255.255.255 b\n192.168.1.3\n192.168.1.4 #x\nfoo bar\n",
			want: "nas||192.168.1.2||0\nmapped||192.168.1.9||0\nlink||fe80::1||0",
		},
		{
			name: "long lines and NUL bytes", parse: hosts.ParseHosts,
			in:   "192.168.1.2 a" + strings.Repeat("b", 10000) + "\n192.168.1.3 c\x00d\n192.168.1.4 e" + strings.Repeat(" f", 8000) + "\n192.168.1.5 g",
			want: "g||192.168.1.5||0",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.parse(strings.NewReader(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(got); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

const (
	v4leases = `{"device":{"br-lan":{"leases":[{"mac":"001122334455","hostname":"foo","accept-reconf":false,"flags":["bound"],"address":"192.168.1.2","valid":3600},
		{"mac":"001122334466","duid":"00030001001122334466","iaid":1,"hostname":"","address":"192.168.1.3","valid":-1}]},"br-guest":{"leases":[]}}}`
	v6leases = `{"device":{"br-lan":{"leases":[{"duid":"000100012BCCDDEE001122334455","iaid":1,"hostname":"bar","assigned":2578,"flags":[],
		"ipv6-addr":[{"address":"2001:db8::a12","preferred-lifetime":-1,"valid-lifetime":-1},{"address":"fd00::a12"}],"valid":4294967295},
		{"duid":"00030001001122334477","hostname":"router","assigned":16,"ipv6-prefix":[{"address":"2001:db8:0:10::","prefix-length":60}],"valid":100}]}}}`
)

func TestParseLeases(t *testing.T) {
	for in, want := range map[string]string{
		v4leases: "foo|00:11:22:33:44:55|192.168.1.2||4600\n|00:11:22:33:44:66|192.168.1.3|00030001001122334466|0",
		v6leases: "bar||2001:db8::a12,fd00::a12|000100012bccddee001122334455|0\nrouter|||00030001001122334477|1100",
		`{}`:     "",
	} {
		got, err := hosts.ParseLeases([]byte(in))
		if err != nil || describe(got) != want {
			t.Errorf("got %v\n%s\nwant\n%s", err, describe(got), want)
		}
	}
	if _, err := hosts.ParseLeases([]byte(`{"device":[]}`)); err == nil || !strings.HasPrefix(err.Error(), "decode leases: ") {
		t.Errorf("got error %v", err)
	}
}

// A client can fill a lease file; what we keep of it is bounded.
func TestParsersAreBounded(t *testing.T) {
	var b bytes.Buffer
	for i := range 3 * hosts.MaxRecords {
		fmt.Fprintf(&b, "0 02:00:00:%02x:%02x:%02x 10.%d.%d.%d host%d *\n", i>>16, i>>8&255, i&255, i>>16, i>>8&255, i&255, i)
	}
	got, err := hosts.ParseDnsmasq(&b)
	if err != nil || len(got) != hosts.MaxRecords {
		t.Errorf("kept %d records, %v", len(got), err)
	}
	// Without an end.
	if _, err := hosts.ParseHosts(endless{}); err != nil {
		t.Error(err)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestParsersReportErrors(t *testing.T) {
	for _, parse := range []func(io.Reader) ([]hosts.Named, error){hosts.ParseDnsmasq, hosts.ParseOdhcpd, hosts.ParseEthers, hosts.ParseHosts} {
		if _, err := parse(failing{}); err == nil {
			t.Error("a failing read went unnoticed")
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                                       "",
		"plain-name_1.lan":                       "plain-name_1.lan",
		"  Anna's   iPhone\t\n":                  "Anna's iPhone",
		"<img src=x onerror=alert(1)>":           "<img src=x onerror=alert(1)>",
		"a\x00b\x1b[31mc\x7fd\u0085e":            "ab[31mcde",
		"evil\u202egnp.exe\u2066\u200f\u061c":    "evilgnp.exe",
		"zero\u200bwidth\ufeff\u00ad":            "zerowidth",
		"bad\xffutf\xc3\x288":                    "bad\ufffdutf\ufffd(8",
		"\u2028\u2029\x01":                       "",
		"\u3164\u115f\u2800\u034f\ufe0f":         "",
		"日本語 пк":                                 "日本語 пк",
		"e\u0301" + strings.Repeat("\u0335", 50): "e\u0301" + strings.Repeat("\u0335", 3),
		"\ue000private\U000e0041tag":             "privatetag",
		strings.Repeat("a", 300):                 strings.Repeat("a", 255),
		strings.Repeat("ä", 200):                 strings.Repeat("ä", 127),
		strings.Repeat("a", 254) + " b":          strings.Repeat("a", 254),
	} {
		if got := hosts.Clean(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// safe fails unless a name may be shown anywhere.
func safe(t *testing.T, name string) {
	t.Helper()
	if len(name) > 255 || !utf8.ValidString(name) || hosts.Clean(name) != name ||
		strings.ContainsAny(name, "\x00\n\r\t\x1b\x7f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u2028\u2029") {
		t.Errorf("unsafe name %q", name)
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"foo", "a\xffb", "\u202eabc", " a  b ", strings.Repeat("ä", 200), "e\u0301\u0301\u0301\u0301\u0301\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { safe(t, hosts.Clean(s)) })
}

func fuzzRecords(f *testing.F, parse func(io.Reader) ([]hosts.Named, error), seeds ...string) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, err := parse(strings.NewReader(s))
		if err != nil {
			return
		}
		check(t, list)
	})
}

func check(t *testing.T, list []hosts.Named) {
	t.Helper()
	for _, r := range list {
		safe(t, r.Name)
		if r.Name == "" && r.DUID == "" || len(r.MACs) > 64 || len(r.Addrs) > 64 || len(r.DUID) > 260 {
			t.Errorf("record %+v", r)
		}
		for _, m := range r.MACs {
			if m == (account.MAC{}) || m[0]&1 != 0 {
				t.Errorf("mac %v", m)
			}
		}
		for _, a := range r.Addrs {
			if a == (netip.Addr{}) || a.Zone() != "" || a.Is4In6() || a.IsLoopback() {
				t.Errorf("address %v", a)
			}
		}
	}
}

func FuzzParseDnsmasq(f *testing.F) {
	fuzzRecords(f, hosts.ParseDnsmasq, "1700000000 00:11:22:33:44:55 192.168.1.2 foo *\nduid 00\n1 T2 2001:db8::2 * 00:01:00:01:2b\n")
}

func FuzzParseOdhcpd(f *testing.F) {
	fuzzRecords(f, hosts.ParseOdhcpd, "# br-lan 00010001 1f f\\x20oo 1700000000 a12 128 2001:db8::a12/128\n# br-lan 1:2:3:4:5:6 ipv4 - -1 a 32 1.2.3.4/32\n1.2.3.4 x\n")
}

func FuzzParseEthers(f *testing.F) {
	fuzzRecords(f, hosts.ParseEthers, "00:11:22:33:44:55 foo # bar\n")
}

func FuzzParseHosts(f *testing.F) {
	fuzzRecords(f, hosts.ParseHosts, "192.168.1.2 foo # bar\n2001:db8::1 x\n")
}

func FuzzParseLeases(f *testing.F) {
	f.Add(v4leases)
	f.Add(v6leases)
	f.Fuzz(func(t *testing.T, s string) {
		if list, err := hosts.ParseLeases([]byte(s)); err == nil {
			check(t, list)
		}
	})
}
