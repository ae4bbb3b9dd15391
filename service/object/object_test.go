// SPDX-License-Identifier: GPL-2.0-only

package object_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/object"
	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/blobmsg"
)

func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite the golden files")
	flag.Parse()
	os.Exit(m.Run())
}

var epoch = time.Unix(1_700_000_000, 0)

func mac(last byte) account.MAC { return account.MAC{0x3c, 0x52, 0xa1, 0, 0, last} }

func counters(n uint64) account.Counters {
	return account.Counters{Download: account.Traffic{Bytes: n * 1000, Packets: n}, Upload: account.Traffic{Bytes: n * 100, Packets: n / 2}}
}

func family(n, rate uint64) account.Family {
	c := counters(n)
	return account.Family{
		Download: account.Flow{Bytes: c.Download.Bytes, Packets: c.Download.Packets, Rate: rate},
		Upload:   account.Flow{Bytes: c.Upload.Bytes, Packets: c.Upload.Packets, Rate: rate / 10},
	}
}

func host(m account.MAC, name, network string, n uint64, addrs ...string) account.Host {
	f := family(n, n)
	h := account.Host{
		MAC: m, Hostname: name, Network: network, Device: "br-" + network, Random: m.LocallyAdministered(), Online: true,
		Download: f.Download, Upload: f.Upload, IPv4: family(n/4, n/4), IPv6: family(n-n/4, n-n/4),
		FirstSeen: epoch.Add(-time.Hour), LastSeen: epoch,
	}
	if !m.IsZero() {
		h.MACs = []account.MAC{m}
	}
	if name != "" {
		h.NameSource = "uci"
	}
	for _, a := range addrs {
		h.Addresses = append(h.Addresses, account.Address{IP: netip.MustParseAddr(a), Counters: counters(n), LastSeen: epoch})
	}
	return h
}

func small() *account.Snapshot {
	s := &account.Snapshot{
		Time: epoch, Started: epoch.Add(-2 * time.Hour),
		Hosts: []account.Host{
			host(mac(9), "camera", "guest", 40, "192.168.9.9"),
			host(mac(1), "laptop", "lan", 400, "192.168.1.2", "2001:db8::2"),
			host(account.MAC{0x3e, 0, 0, 0, 0, 5}, "", "lan", 8, "192.168.1.5"),
			host(account.MAC{}, "phone", "wg", 4, "10.9.0.2"),
		},
		Networks: []account.NetworkTotal{{Name: "guest", Device: "br-guest", Counters: counters(40)}, {Name: "lan", Device: "br-lan", Counters: counters(500)}, {Name: "wg", Device: "wg0", Counters: counters(4)}},
		Unattributed: []account.ReasonTotal{
			{Reason: "limit"}, {Reason: "malformed"}, {Reason: "multicast", Counters: counters(2)}, {Reason: "no_prefix", Counters: counters(6)}, {Reason: "table_full"},
		},
		Status: account.Status{
			Version: "1.0.0", Transport: "wire", Kernel: "6.12.40", Interval: 10 * time.Second,
			Attachments: []account.Attachment{
				{Network: "lan", Device: "lan1", Mode: "tcx", Direction: "both"},
				{Network: "guest", Device: "lan2", Mode: "waiting", Direction: "both", Error: "no such device"},
			},
			Networks: []account.NetworkInfo{{Name: "lan", Device: "br-lan", Up: true, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24"), netip.MustParsePrefix("2001:db8::/64")}}},
			Table:    account.Table{Entries: 5, Capacity: 4096, Conflicts: 1},
			Offload:  account.Offload{Software: true, Source: "uci"},
			Warnings: []string{"The device lan2 does not exist."},
		},
	}
	s.Hosts[1].MACs = []account.MAC{mac(1), mac(2)}
	return s
}

// daemon is a stand-in whose Snapshot can be changed.
type daemon struct {
	snapshot *account.Snapshot
	err      error
	now      time.Time
	object   *object.Object
}

func run(s *account.Snapshot) *daemon {
	d := &daemon{snapshot: s, now: epoch}
	d.object = object.New(object.Daemon{
		Snapshot: func(context.Context) (*account.Snapshot, error) { return d.snapshot, d.err },
		Reset: func(_ context.Context, match func(*account.Host) bool) (int, error) {
			n := 0
			for i := range d.snapshot.Hosts {
				if match == nil || match(&d.snapshot.Hosts[i]) {
					n++
				}
			}
			return n, d.err
		},
		Now: func() time.Time { return d.now },
	})
	return d
}

// call calls a method with arguments in JSON, as the ubus tool does.
func (d *daemon) call(t testing.TB, method, args string) (blobmsg.Table, error) {
	t.Helper()
	table, err := blobmsg.ParseJSON([]byte(args))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range d.object.Describe().Methods {
		if m.Name == method {
			reply, err := m.Handler(context.Background(), &ubus.Request{Method: method, Args: table})
			if err != nil {
				return blobmsg.Table{}, err
			}
			encoded, err := blobmsg.Marshal(reply)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(encoded.Bytes()); n > 1<<20-1024 {
				t.Fatalf("%s %s: reply of %d bytes", method, args, n)
			}
			return encoded, nil
		}
	}
	t.Fatalf("no method %s", method)
	return blobmsg.Table{}, nil
}

func (d *daemon) mustCall(t testing.TB, method, args string) blobmsg.Table {
	t.Helper()
	reply, err := d.call(t, method, args)
	if err != nil {
		t.Fatalf("%s %s: %v", method, args, err)
	}
	return reply
}

// listed are the hosts of a reply, by MAC or else address.
func listed(t testing.TB, reply blobmsg.Table) (names []string) {
	t.Helper()
	var r struct {
		Hosts []struct {
			Mac       string
			Addresses []any
		}
	}
	if err := json.Unmarshal(reply.AppendJSON(nil), &r); err != nil {
		t.Fatal(err)
	}
	for _, h := range r.Hosts {
		name := h.Mac
		if name == "" {
			if m, ok := h.Addresses[0].(map[string]any); ok {
				name = fmt.Sprint(m["ip"])
			} else {
				name = fmt.Sprint(h.Addresses[0])
			}
		}
		names = append(names, name)
	}
	return names
}

func TestReplies(t *testing.T) {
	d := run(small())
	for _, method := range []string{"stats", "hosts", "status", "reset"} {
		got := string(d.mustCall(t, method, "{}").AppendJSONIndent(nil)) + "\n"
		file := "testdata/" + method + ".json"
		if flag.Lookup("update").Value.String() == "true" {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", method, got, want)
		}
	}
}

func TestNumbersAreInt64(t *testing.T) {
	s := small()
	s.Hosts[1].Download.Bytes = 1<<64 - 1
	reply := run(s).mustCall(t, "stats", `{"host":"laptop"}`)
	for h := range reply.Array("hosts").All() {
		table, _ := h.Table()
		if v := table.Table("download").Get("bytes"); v.Type() != blobmsg.Int64 || table.Table("download").Int("bytes") != 1<<63-1 {
			t.Errorf("bytes: %v %v", v.Type(), table.Table("download"))
		}
	}
	for _, name := range []string{"time", "uptime", "total"} {
		if v := reply.Get(name); v.Type() != blobmsg.Int64 {
			t.Errorf("%s: %v", name, v.Type())
		}
	}
}

func TestFilters(t *testing.T) {
	d := run(small())
	for args, want := range map[string][]string{
		`{}`:                                  {"3c:52:a1:00:00:09", "3c:52:a1:00:00:01", "3e:00:00:00:00:05", "10.9.0.2"},
		`{"host":"3C:52:A1:00:00:01"}`:        {"3c:52:a1:00:00:01"},
		`{"host":"3c-52-a1-00-00-02"}`:        {"3c:52:a1:00:00:01"},
		`{"host":" LapTop "}`:                 {"3c:52:a1:00:00:01"},
		`{"host":"2001:0DB8::0002"}`:          {"3c:52:a1:00:00:01"},
		`{"host":"::ffff:192.168.1.5"}`:       {"3e:00:00:00:00:05"},
		`{"host":"10.9.0.2"}`:                 {"10.9.0.2"},
		`{"host":"00:00:00:00:00:00"}`:        nil,
		`{"host":"nobody"}`:                   nil,
		`{"network":"lan"}`:                   {"3c:52:a1:00:00:01", "3e:00:00:00:00:05"},
		`{"network":"lan","host":"camera"}`:   nil,
		`{"network":"none"}`:                  nil,
		`{"offset":1,"limit":2}`:              {"3c:52:a1:00:00:01", "3e:00:00:00:00:05"},
		`{"network":"lan","offset":1}`:        {"3e:00:00:00:00:05"},
		`{"offset":4}`:                        nil,
		`{"offset":9007199254740993}`:         nil,
		`{"limit":0,"ubus_rpc_session":"xy"}`: {"3c:52:a1:00:00:09", "3c:52:a1:00:00:01", "3e:00:00:00:00:05", "10.9.0.2"},
	} {
		for _, method := range []string{"stats", "hosts"} {
			if got := listed(t, d.mustCall(t, method, args)); !slices.Equal(got, want) {
				t.Errorf("%s %s: %v, want %v", method, args, got, want)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	d := run(small())
	for _, c := range []struct {
		method, args string
		want         error
	}{
		{"stats", `{"offset":-1}`, ubus.ErrInvalidArgument},
		{"hosts", `{"limit":-1}`, ubus.ErrInvalidArgument},
		{"stats", `{"listing":-1}`, ubus.ErrInvalidArgument},
		{"stats", `{"listing":9007199254740993}`, ubus.ErrInvalidArgument},
		{"stats", `{"listing":77}`, ubus.ErrNoData},
		{"reset", `{"host":""}`, ubus.ErrInvalidArgument},
		{"reset", `{"host":"nobody"}`, ubus.ErrNotFound},
	} {
		if _, err := d.call(t, c.method, c.args); !errors.Is(err, c.want) {
			t.Errorf("%s %s: %v, want %v", c.method, c.args, err, c.want)
		}
	}
	if got := d.mustCall(t, "reset", `{"host":"laptop"}`).Int("reset"); got != 1 {
		t.Errorf("reset %d hosts, want 1", got)
	}
	d.err = errors.New("no tables")
	for _, method := range []string{"stats", "hosts", "status", "reset"} {
		if _, err := d.call(t, method, "{}"); !errors.Is(err, d.err) {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// fleet is n hosts; from is the first one's number.
func fleet(from, n int) *account.Snapshot {
	s := small()
	s.Hosts = nil
	for i := from; i < from+n; i++ {
		h := host(account.MAC{0x3c, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}, fmt.Sprintf("host-%d", i), "lan", uint64(i)*1_000_003)
		for j := range 3 {
			a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			if j > 0 {
				a = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, byte(i * 7), byte(i >> 3), 0xff, byte(j * 101), byte(i), 5, byte(i >> 8), byte(j)})
			}
			h.Addresses = append(h.Addresses, account.Address{IP: a, Counters: counters(uint64(i * 77)), LastSeen: epoch})
		}
		s.Hosts = append(s.Hosts, h)
	}
	return s
}

// readAll reads a listing page by page, while the book goes on.
func readAll(t *testing.T, d *daemon, method, args string, numbered bool) (all []string) {
	t.Helper()
	args = strings.TrimSuffix(args, "}")
	number := int64(0)
	for pages := 1; ; pages++ {
		call := fmt.Sprintf(`%s"offset":%d}`, args, len(all))
		if numbered && number > 0 {
			call = fmt.Sprintf(`%s"offset":%d,"listing":%d}`, args, len(all), number)
		}
		reply := d.mustCall(t, method, call)
		got := listed(t, reply)
		all = append(all, got...)
		total := int(reply.Int("total"))
		if number = reply.Int("listing"); (number != 0) != (len(all) < total) {
			t.Fatalf("page %d: listing %d, %d of %d read", pages, number, len(all), total)
		}
		if len(all) >= total {
			return all
		}
		if len(got) == 0 {
			t.Fatalf("page %d is empty, %d of %d read", pages, len(all), total)
		}
		// Meanwhile hosts have come and gone at the front.
		d.snapshot = fleet(pages*17, 10_000-pages)
		d.now = d.now.Add(time.Second)
	}
}

func TestPagesAreOneListing(t *testing.T) {
	for _, numbered := range []bool{true, false} {
		for method, args := range map[string]string{"stats": "{", "hosts": `{"limit":900,`} {
			d := run(fleet(0, 10_000))
			all := readAll(t, d, method, args, numbered)
			if len(all) != 10_000 {
				t.Fatalf("%s: %d hosts", method, len(all))
			}
			for i, m := range all {
				if want := (account.MAC{0x3c, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}).String(); m != want {
					t.Fatalf("%s: host %d is %s, want %s", method, i, m, want)
				}
			}
		}
	}
}

func TestListingsAreNotKeptForEver(t *testing.T) {
	d := run(fleet(0, 50))
	first := d.mustCall(t, "stats", `{"limit":10}`)
	if again := d.mustCall(t, "stats", `{"limit":10}`).Int("listing"); again != first.Int("listing") {
		t.Errorf("the same Snapshot is listing %d and %d", first.Int("listing"), again)
	}
	next := fmt.Sprintf(`{"limit":10,"offset":10,"listing":%d}`, first.Int("listing"))
	d.mustCall(t, "stats", next)
	// Somebody polls first pages.
	for i := range 10 {
		d.snapshot = fleet(i, 50)
		d.mustCall(t, "stats", `{"limit":1}`)
	}
	d.now = d.now.Add(29 * time.Second)
	if got := listed(t, d.mustCall(t, "stats", next)); len(got) != 10 || got[0] != "3c:00:00:00:00:0a" {
		t.Errorf("the listing changed: %v", got)
	}
	d.now = d.now.Add(31 * time.Second)
	if _, err := d.call(t, "stats", next); err != ubus.ErrNoData {
		t.Errorf("after half a minute: %v", err)
	}
	// Without a number the next page is then of what is current.
	if got := listed(t, d.mustCall(t, "stats", `{"limit":10,"offset":10}`)); got[0] != "3c:00:00:00:00:13" {
		t.Errorf("%v", got)
	}
	// When the clock is set back, nothing is kept for years.
	d.mustCall(t, "stats", `{"limit":3}`)
	d.now = d.now.Add(-24 * time.Hour)
	d.snapshot = fleet(30, 50)
	if got := listed(t, d.mustCall(t, "stats", `{"limit":3,"offset":3}`)); got[0] != "3c:00:00:00:00:21" {
		t.Errorf("%v", got)
	}
}

// TestPageFits makes hosts as large as they get: no reply exceeds what ubus
// carries, and none is missing.
func TestPageFits(t *testing.T) {
	s := small()
	s.Hosts = nil
	for i := range 60 {
		h := host(mac(byte(i)), strings.Repeat("\xff", 255), "lan", 1<<50)
		for j := range 70 + i*30 {
			h.Addresses = append(h.Addresses, account.Address{IP: netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, byte(j >> 8), byte(j)}), Counters: counters(1 << 50), LastSeen: epoch})
		}
		s.Hosts = append(s.Hosts, h)
	}
	d := run(s)
	for _, method := range []string{"stats", "hosts"} {
		seen := 0
		for {
			reply := d.mustCall(t, method, fmt.Sprintf(`{"offset":%d,"listing":%d}`, seen, 0))
			hosts := reply.Array("hosts")
			for v := range hosts.All() {
				h, _ := v.Table()
				have, all := h.Array("addresses").Len(), len(s.Hosts[seen].Addresses)
				if have != min(all, 1000) || all > 1000 && h.Int("addresses_total") != int64(all) {
					t.Fatalf("%s: host %d has %d of %d addresses, total %d", method, seen, have, all, h.Int("addresses_total"))
				}
				seen++
			}
			if hosts.Len() == 0 || seen == len(s.Hosts) {
				break
			}
		}
		if seen != len(s.Hosts) {
			t.Errorf("%s: %d of %d hosts", method, seen, len(s.Hosts))
		}
	}
}

func Test250HostsAreOnePage(t *testing.T) {
	d := run(fleet(0, 250))
	reply := d.mustCall(t, "stats", "{}")
	if got := len(listed(t, reply)); got != 250 || reply.Get("listing").Exists() {
		t.Errorf("%d hosts, listing %v", got, reply.Get("listing"))
	}
}

func TestHostileNames(t *testing.T) {
	names := []string{`"quoted"`, "new\nline", "bell\a\x1b[2J", "bad \xff\xc0 utf-8", strings.Repeat("x", 255), "nul\x00nul", "</script>"}
	s := small()
	s.Hosts = nil
	for i, n := range names {
		s.Hosts = append(s.Hosts, host(mac(byte(i)), n, "lan", 1, "10.0.0.1"))
	}
	d := run(s)
	for _, method := range []string{"stats", "hosts"} {
		var r struct{ Hosts []struct{ Hostname string } }
		if err := json.Unmarshal(d.mustCall(t, method, "{}").AppendJSON(nil), &r); err != nil {
			t.Fatal(err)
		}
		for i, n := range names {
			if want := strings.ReplaceAll(strings.ToValidUTF8(n, "\uFFFD"), "\x00", "\uFFFD"); r.Hosts[i].Hostname != want {
				t.Errorf("%q became %q", n, r.Hosts[i].Hostname)
			}
		}
	}
}

func TestStatusOfAnEmptyDaemon(t *testing.T) {
	d := run(&account.Snapshot{Status: account.Status{Interval: 1500 * time.Millisecond, ConfigError: "bad option"}})
	got := string(d.mustCall(t, "status", "{}").AppendJSON(nil))
	for _, want := range []string{`"time":0`, `"uptime":0`, `"interval":1.5`, `"attachments":[]`, `"networks":[]`, `"warnings":[]`, `"unattributed":{}`, `"config_error":"bad option"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in %s", want, got)
		}
	}
}

func TestMethodsAndTheirArguments(t *testing.T) {
	o := object.New(object.Daemon{}).Describe()
	if o.Path != "mezoura" {
		t.Errorf("path %q", o.Path)
	}
	var got []string
	for _, m := range o.Methods {
		line := m.Name
		for _, a := range m.Args {
			line += fmt.Sprintf(" %s:%v", a.Name, a.Type)
			if a.Required {
				t.Errorf("%s: %s is required", m.Name, a.Name)
			}
		}
		got = append(got, line)
	}
	page := " host:string network:string offset:integer limit:integer listing:integer"
	if want := []string{"stats" + page, "hosts" + page, "status", "reset host:string"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
