// SPDX-License-Identifier: GPL-2.0-only

package service_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service"
	"github.com/mezoura/mezoura/service/account"
)

func limits() account.Limits {
	return account.Limits{Hosts: 1000, AddressesPerHost: 16, Addresses: 4000, Idle: time.Minute, Expire: time.Hour}
}

// nobody names no hosts.
type nobody struct{}

func (nobody) Identify(_ string, mac account.MAC, _ netip.Addr) account.Identity {
	return account.Identity{Device: mac}
}
func (nobody) Online(string, account.MAC, netip.Addr) (online, known bool) { return false, false }

// book has counted this many bytes of so many hosts each.
func book(t testing.TB, hosts int, bytes uint64) *account.Book {
	t.Helper()
	b := account.NewBook(limits())
	now := time.Now()
	var samples []account.Sample
	for i := range hosts {
		samples = append(samples, account.Sample{
			Key:      account.Key{Network: "lan", MAC: account.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)}, Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})},
			Counters: account.Counters{Download: account.Traffic{Bytes: bytes, Packets: 1}}, Seen: now,
		})
	}
	b.Observe(now, samples, nil)
	b.Close(samples, nil)
	return b
}

// counted is the sum of what a book shows, and of how many hosts.
func counted(b *account.Book) (bytes uint64, hosts int) {
	b.Observe(time.Now(), nil, nil)
	s := b.Snapshot(time.Now(), nobody{}, account.Status{})
	for i := range s.Hosts {
		bytes += s.Hosts[i].Download.Bytes
	}
	return bytes, len(s.Hosts)
}

func readState(t *testing.T, dir string) (service.State, *account.Book, error) {
	t.Helper()
	b := account.NewBook(limits())
	s, err := service.ReadState(dir, b)
	return s, b, err
}

// written is a state file of two hosts with 1000 bytes each.
func written(t *testing.T, dir string) []byte {
	t.Helper()
	s, _, err := readState(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Close("aaaa", 7)
	s.End("bbbb")
	if err := s.Write(book(t, 2, 1000)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "book"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestStateIsKept(t *testing.T) {
	dir := t.TempDir()
	written(t, dir)
	s, b, err := readState(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	if bytes, hosts := counted(b); bytes != 2000 || hosts != 2 {
		t.Errorf("%d bytes of %d hosts, want 2000 of 2", bytes, hosts)
	}
	if g, ok := s.Closed("aaaa"); !ok || g != 7 || !s.Ended("bbbb") || s.Len() != 2 {
		t.Errorf("closed %d %t, ended %t, %d in all", g, ok, s.Ended("bbbb"), s.Len())
	}
	info, err := os.Stat(filepath.Join(dir, "book"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v: who was here is nobody else's business", info.Mode())
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if len(files)+len(hidden) != 1 {
		t.Errorf("left behind: %q %q", files, hidden)
	}
}

// TestStateBroken wants a warning and a fresh start of whatever is no state file, and no part of one.
func TestStateBroken(t *testing.T) {
	good := written(t, t.TempDir())
	cases := map[string][]byte{
		"empty":         {},
		"foreign":       []byte("#!/bin/sh\necho hello\n"),
		"later version": bytes.Replace(good, []byte("state 1"), []byte("state 2"), 1),
		"strange line":  bytes.Replace(good, []byte("ended bbbb"), []byte("began bbbb"), 1),
		"no generation": bytes.Replace(good, []byte("closed aaaa 7"), []byte("closed aaaa x"), 1),
		"too large":     bytes.Replace(good, []byte("closed aaaa 7"), []byte("closed aaaa 4294967296"), 1),
		"zeros":         make([]byte, 5000),
		"more behind":   append(bytes.Clone(good), "more"...),
	}
	for i := range good { // cut anywhere
		cases["cut at "+time.Duration(i).String()] = good[:i]
	}
	body := bytes.Index(good, []byte("\n\n")) + 2
	for i := body; i < len(good); i++ { // a bit the other way round
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		cases["flipped at "+time.Duration(i).String()] = bad
	}
	for name, data := range cases {
		dir := t.TempDir()
		path := filepath.Join(dir, "book")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, b, err := readState(t, dir)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "totals begin anew") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
		if bytes, hosts := counted(b); bytes != 0 || hosts != 0 || s.Len() != 0 {
			t.Errorf("%s: %d bytes of %d hosts, %d tables: not a fresh start", name, bytes, hosts, s.Len())
		}
		// The next write mends it.
		if err := s.Write(book(t, 1, 5)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, b, err := readState(t, dir); err != nil {
			t.Errorf("%s: after a write: %v", name, err)
		} else if bytes, _ := counted(b); bytes != 5 {
			t.Errorf("%s: after a write %d bytes, want 5", name, bytes)
		}
	}
}

func TestStateOnFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a disk that is full needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("mzs", dir, "tmpfs", 0, "size=16k"); err != nil {
		t.Skipf("no tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	before := written(t, dir)
	s, _, err := readState(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(book(t, 1000, 1<<40)); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("more than the disk holds: %v", err)
	}
	after, err := os.ReadFile(filepath.Join(dir, "book"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the old file is not as it was: %v", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	if err := s.Write(book(t, 3, 5)); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// TestStateFollowsNoLink has somebody put a link where the new file is going to be, and a folder where the file is.
func TestStateFollowsNoLink(t *testing.T) {
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(victim, []byte("root"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(dir, "book.new")); err != nil {
		t.Fatal(err)
	}
	written(t, dir)
	if data, _ := os.ReadFile(victim); string(data) != "root" {
		t.Errorf("wrote through a link: %q", data)
	}
	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "book"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, _, err := readState(t, dir)
	if err == nil || !strings.Contains(err.Error(), "read book") {
		t.Errorf("read of a folder: %v", err)
	}
	if err := s.Write(book(t, 1, 1)); err == nil || !strings.Contains(err.Error(), "write book") {
		t.Errorf("write over a folder: %v", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run", "mezoura")
	held, err := service.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := service.Lock(dir); !errors.Is(err, service.ErrRunning()) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second one: %v", err)
	}
	held.Close()
	again, err := service.Lock(dir)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	again.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := service.Lock(filepath.Join(file, "state")); err == nil || !strings.Contains(err.Error(), "make state directory") {
		t.Errorf("below a file: %v", err)
	}
}

// The jail has no more of bpffs than the daemon's directory, which is mounted by itself.
func TestBPFFS(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts bpffs: needs root")
	}
	dir := filepath.Join(t.TempDir(), "mezoura")
	if err := service.BPFFS(dir); err == nil || !strings.Contains(err.Error(), "no bpffs at "+filepath.Dir(dir)) {
		t.Errorf("without bpffs: %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := service.BPFFS(dir); err != nil {
		t.Errorf("mounted by itself: %v", err)
	}
	below := filepath.Join(dir, "below")
	if err := service.BPFFS(below); err != nil {
		t.Errorf("below a mount: %v", err)
	}
	if info, err := os.Stat(below); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("made %v, error %v", info, err)
	}
}

func FuzzState(f *testing.F) {
	dir := f.TempDir()
	s, err := service.ReadState(dir, account.NewBook(limits()))
	if err != nil {
		f.Fatal(err)
	}
	s.Close("aaaa", 7)
	s.End("bbbb")
	if err := s.Write(book(f, 3, 1000)); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "book"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:40])
	f.Add([]byte("mezoura state 1\n\n"))
	f.Add([]byte("mezoura state 1\nclosed a 1\nclosed a 2\nended a\n\nMZBK"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		s, err := service.ReadState(dir, account.NewBook(limits()))
		if err != nil {
			t.Fatal(err)
		}
		b := account.NewBook(limits())
		if s.Parse(data, b) != nil {
			if bytes, hosts := counted(b); bytes != 0 || hosts != 0 {
				t.Errorf("refused, and %d bytes of %d hosts are in the book", bytes, hosts)
			}
			return
		}
		// What was read is written and read again as the same.
		if err := s.Write(b); err != nil {
			t.Fatal(err)
		}
		back := account.NewBook(limits())
		again, err := service.ReadState(dir, back)
		if err != nil {
			t.Fatalf("%q is written as what can not be read: %v", data, err)
		}
		if again.Len() != s.Len() {
			t.Errorf("%d tables, were %d", again.Len(), s.Len())
		}
		x, n := counted(b)
		if y, m := counted(back); x != y || n != m {
			t.Errorf("%d bytes of %d hosts, were %d of %d", y, m, x, n)
		}
	})
}

// TestClockSetMeanwhile has the wall clock set by years while no daemon runs: hosts have been silent as long as it was.
func TestClockSetMeanwhile(t *testing.T) {
	dir := t.TempDir()
	data := written(t, dir)
	line := regexp.MustCompile(`(?m)^clock (\S+) (\d+)$`)
	found := line.FindSubmatch(data)
	if found == nil {
		t.Fatalf("no clock in %q", data[:min(len(data), 200)])
	}
	started, err := strconv.ParseInt(string(found[2]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	const year = 365 * 24 * time.Hour
	for _, c := range []struct {
		boot   string
		step   time.Duration
		silent time.Duration
	}{
		{string(found[1]), 0, 0},
		{string(found[1]), 2 * year, -2 * year}, // set forwards since: hosts were seen in what is the future now
		{string(found[1]), -2 * year, 2 * year},
		{"another", 2 * year, 0}, // nothing is known across a restart of the router
	} {
		was := started - c.step.Milliseconds() // as if the clock had been c.step behind
		changed := line.ReplaceAll(data, fmt.Appendf(nil, "clock %s %d", c.boot, was))
		if err := os.WriteFile(filepath.Join(dir, "book"), changed, 0o600); err != nil {
			t.Fatal(err)
		}
		_, b, err := readState(t, dir)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		b.SetLimits(account.Limits{Expire: 10 * year})
		b.Observe(now, nil, nil)
		s := b.Snapshot(now, nobody{}, account.Status{})
		if len(s.Hosts) != 2 {
			t.Fatalf("clock set by %v: %d hosts", c.step, len(s.Hosts))
		}
		if got := now.Sub(s.Hosts[0].LastSeen) - c.silent; got < -time.Minute || got > time.Minute {
			t.Errorf("clock set by %v: last seen %v ago, want %v", c.step, now.Sub(s.Hosts[0].LastSeen), c.silent)
		}
	}
}
