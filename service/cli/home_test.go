// SPDX-License-Identifier: GPL-2.0-only

package cli_test

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/cli"
	"github.com/mezoura/mezoura/service/object"
	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/blobmsg"
)

// asCommand makes this test's binary the command: for what needs a process of its own.
const asCommand = "MEZOURA_CLI_TEST"

func TestMain(m *testing.M) {
	time.Local = time.UTC
	if os.Getenv(asCommand) != "" {
		if err := cli.Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "mezoura:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Bool("update", false, "rewrite the golden files")
	flag.Parse()
	os.Exit(m.Run())
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant:\n%s", path, got, want)
	}
}

var epoch = time.Unix(1_700_000_000, 0)

// home is what the daemon of these tests knows; the object in front of it is the real one.
type home struct {
	mu       sync.Mutex
	snapshot *account.Snapshot
	calls    int
	before   func(*home, int) error // each call, with the number of those before it
	object   *object.Object
	now      time.Time
}

func newHome(s *account.Snapshot) *home {
	h := &home{snapshot: s, now: epoch}
	h.object = object.New(object.Daemon{
		Snapshot: func(context.Context) (*account.Snapshot, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.snapshot, nil
		},
		Reset: func(context.Context, func(*account.Host) bool) (int, error) { return 0, nil },
		Now: func() time.Time {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.now
		},
	})
	return h
}

func (h *home) set(s *account.Snapshot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.snapshot = s
}

// Call is what ubus would do with the object.
func (h *home) Call(ctx context.Context, path, method string, args any) (blobmsg.Table, error) {
	h.mu.Lock()
	n := h.calls
	h.calls++
	h.mu.Unlock()
	if h.before != nil {
		if err := h.before(h, n); err != nil {
			return blobmsg.Table{}, err
		}
	}
	if path != object.Path {
		return blobmsg.Table{}, ubus.ErrNotFound
	}
	table, err := blobmsg.Marshal(args)
	if err != nil {
		return blobmsg.Table{}, err
	}
	for _, m := range h.object.Describe().Methods {
		if m.Name == method {
			reply, err := m.Handler(ctx, &ubus.Request{Method: method, Args: table})
			if err != nil {
				return blobmsg.Table{}, err
			}
			return blobmsg.Marshal(reply)
		}
	}
	return blobmsg.Table{}, ubus.ErrMethodNotFound
}

func flow(bytes, rate uint64) account.Flow {
	return account.Flow{Bytes: bytes, Packets: bytes / 900, Rate: rate}
}

func newHost(last byte, name, network string, down, up, rate uint64, addrs ...string) account.Host {
	h := account.Host{
		MAC: account.MAC{0x3c, 0x52, 0xa1, 0, 0, last}, Hostname: name, Network: network, Device: "br-" + network, Online: true,
		Download: flow(down, rate), Upload: flow(up, rate/9),
		IPv4:      account.Family{Download: flow(down-down/4, rate), Upload: flow(up-up/4, rate/9)},
		IPv6:      account.Family{Download: flow(down/4, 0), Upload: flow(up/4, 0)},
		FirstSeen: epoch.Add(-50 * time.Hour), LastSeen: epoch.Add(-time.Duration(last) * 7 * time.Second),
	}
	for i, a := range addrs {
		h.Addresses = append(h.Addresses, account.Address{IP: netip.MustParseAddr(a), LastSeen: h.LastSeen,
			Counters: account.Counters{Download: account.Traffic{Bytes: down / uint64(i+2)}, Upload: account.Traffic{Bytes: up / uint64(i+2)}}})
	}
	return h
}

// family is an ordinary home.
func family() *account.Snapshot {
	phone := newHost(5, "", "lan", 880_000, 70_000, 0, "192.168.1.5", "2001:db8:1:0:a4b1:22ff:fe03:9")
	phone.MAC, phone.Random, phone.Online = account.MAC{0x3e, 0, 0, 0, 0, 5}, true, false
	road := newHost(6, "anna-on-the-road", "wg", 40_000, 8000, 0, "10.9.0.2")
	road.MAC, road.Online = account.MAC{}, false
	return &account.Snapshot{
		Time: epoch, Started: epoch.Add(-50 * time.Hour),
		Hosts: []account.Host{
			newHost(9, "camera", "guest", 400, 9_000_000_000, 12, "192.168.9.9"),
			newHost(1, "laptop", "lan", 5_000_000_000, 300_000_000, 2_400_000, "192.168.1.2", "2001:db8:1::2"),
			newHost(2, "电视机-客厅", "lan", 77_000_000_000, 1_400_000_000, 1_100_000, "192.168.1.3"),
			newHost(3, "a-rather-long-name-that-somebody-gave-to-a-printer-in-the-cellar.example.org", "lan", 20_000, 900, 0, "192.168.1.104"),
			phone, road,
		},
		Unattributed: []account.ReasonTotal{
			{Reason: "limit"}, {Reason: "malformed"},
			{Reason: "multicast", Counters: account.Counters{Upload: account.Traffic{Bytes: 3000, Packets: 2}}},
			{Reason: "no_prefix", Counters: account.Counters{Download: account.Traffic{Bytes: 9_000_000, Packets: 7000}}}, {Reason: "table_full"},
		},
		Status: account.Status{
			Version: "1.0.0", Transport: "wire", Kernel: "6.12.40", Interval: 10 * time.Second,
			Attachments: []account.Attachment{
				{Network: "lan", Device: "lan1", Mode: "tcx", Direction: "both"}, {Network: "lan", Device: "lan2", Mode: "tcx", Direction: "both"},
				{Network: "guest", Device: "lan3", Mode: "waiting", Direction: "both", Error: "attach by tcx: permission denied"},
				{Device: "wg0", Mode: "waiting", Direction: "both"},
			},
			Networks: []account.NetworkInfo{
				{Name: "lan", Device: "br-lan", Up: true, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24"), netip.MustParsePrefix("2001:db8:1::/64")}},
				{Name: "guest", Device: "br-guest", Prefixes: []netip.Prefix{netip.MustParsePrefix("192.168.9.0/24")}},
				{Name: "wg", Device: ""},
			},
			Table:    account.Table{Entries: 9, Capacity: 4096, Conflicts: 1},
			Offload:  account.Offload{Software: true, Source: "ruleset"},
			Warnings: []string{"Device wg0 does not exist; it is counted as soon as it does.", "Flow offloading is on: what the flow table forwards past the classifier is not counted, so that totals are too low."},
		},
	}
}

// fleet is many hosts; generation tells one of their snapshots from the next.
func fleet(n, generation int) *account.Snapshot {
	s := &account.Snapshot{Time: epoch.Add(time.Duration(generation) * time.Second), Started: epoch.Add(-time.Hour)}
	for i := range n {
		h := newHost(0, fmt.Sprintf("host-%05d", i), "lan", uint64(i*1000+generation), uint64(i*10+generation), uint64(i%300),
			fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), fmt.Sprintf("2001:db8::%x", i+1))
		h.MAC = account.MAC{0x3c, 0x52, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}
		s.Hosts = append(s.Hosts, h)
	}
	return s
}

// hostile are names that would break a row, a terminal or a spreadsheet.
func hostile() []string {
	return []string{
		"\x1b[2J\x1b[1;1H", "\x1b]0;owned\x07", "a\nb", "a\r\x1b[K", "tab\there", "\u202egpj.exe", "\u2066\u2067isolates\u2069", "bad\xff\xfe\xc0utf8",
		strings.Repeat("x", 255), strings.Repeat("电", 85), strings.Repeat("\u0301", 120), "z" + strings.Repeat("\u0489", 120), "\u009b31mred", `"quoted", 'twice'`,
		"=cmd|' /C calc'!A0", "+1+1", "-1", "@SUM(A1)", "＝1", " =1", "\u200b\u200b", "\x00", "👨‍👩‍👧", "שלום", "; rm -rf /", "<script>alert(1)</script>", "%s%n\\u0000",
	}
}

func hostileHome() *account.Snapshot {
	s := &account.Snapshot{Time: epoch, Started: epoch.Add(-time.Hour)}
	for i, name := range hostile() {
		s.Hosts = append(s.Hosts, newHost(byte(i), name, "lan", uint64(1_000_000-i), 5, 0, fmt.Sprintf("192.168.1.%d", i+1)))
	}
	return s
}
