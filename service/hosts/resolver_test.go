// SPDX-License-Identifier: GPL-2.0-only

package hosts_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/config"
	"github.com/mezoura/mezoura/service/hosts"
)

// router is the files of a router, below a folder of the test.
type router struct {
	t    *testing.T
	root string
	c    config.Config
}

func newRouter(t *testing.T) *router {
	t.Helper()
	root := t.TempDir()
	r := &router{t: t, root: root, c: config.Default()}
	r.c.Paths = config.Paths{
		EtcConfig: filepath.Join(root, "etc/config"), Ethers: filepath.Join(root, "etc/ethers"), Hosts: filepath.Join(root, "etc/hosts"),
	}
	for _, dir := range []string{"etc/config", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.dhcp("")
	return r
}

// write replaces a file in place.
func (r *router) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.root, name), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// replace replaces a file by renaming another over it.
func (r *router) replace(name, text string) {
	r.t.Helper()
	r.write(name+".new", text)
	r.rename(name+".new", name)
}

func (r *router) rename(from, to string) {
	r.t.Helper()
	if err := os.Rename(filepath.Join(r.root, from), filepath.Join(r.root, to)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *router) remove(name string) {
	r.t.Helper()
	if err := os.RemoveAll(filepath.Join(r.root, name)); err != nil {
		r.t.Fatal(err)
	}
}

// dhcp writes /etc/config/dhcp as `uci commit` does, with the leases of the test.
func (r *router) dhcp(more string) {
	r.t.Helper()
	r.replace("etc/config/dhcp", fmt.Sprintf("config dnsmasq\n\toption leasefile '%s/tmp/dhcp.leases'\nconfig odhcpd 'odhcpd'\n\toption leasefile '%s/tmp/odhcpd/leases'\n%s",
		r.root, r.root, more))
}

// open starts a resolver that is stopped with the test.
func (r *router) open(opts ...hosts.Option) *hosts.Resolver {
	r.t.Helper()
	res := hosts.Open(r.c, opts...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- res.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("run: %v", err)
		}
		if err := res.Close(); err != nil {
			r.t.Errorf("close: %v", err)
		}
	})
	return res
}

func mac(s string) account.MAC {
	m, ok := config.ParseMAC(s)
	if !ok && s != "" {
		panic(s)
	}
	return account.MAC(m)
}

func addr(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

// who is the name and source of a host: "foo uci".
func who(r *hosts.Resolver, m, a string) string {
	id := r.Identify("lan", mac(m), addr(a))
	return strings.TrimSpace(id.Hostname + " " + id.Source)
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func (r *router) await(res *hosts.Resolver, m, a, want string) {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("%s %s is %q (it is %q; %v)", m, a, want, who(res, m, a), res.Problems()), func() bool { return who(res, m, a) == want })
}

const (
	m1 = "02:00:00:00:00:01"
	m2 = "02:00:00:00:00:02"
	m3 = "02:00:00:00:00:03"
	m4 = "02:00:00:00:00:04"
	m5 = "02:00:00:00:00:05"
	m6 = "02:00:00:00:00:06"
)

func TestSourcesAndPriority(t *testing.T) {
	r := newRouter(t)
	r.c.Aliases = []config.Alias{{Name: "Anna's phone", MACs: [][6]byte{mac(m1), mac(m2)}}}
	r.dhcp(`
config host
	option name 'static1'
	option mac '02:00:00:00:00:01'
config host
	option name 'static3'
	option mac '02:00:00:00:00:03 02-00-00-00-00-AB'
	list mac '020000000 *:*'
config host
	option name 'static4'
	list mac 'AA:BB:CC:DD:EE:0F'
	list mac '02:00:00:00:00:04'
	option ip '192.168.1.4'
config host
	option name 'byaddress'
	option ip '192.168.1.77'
config host
	option name 'byduid'
	option duid '00:02:00:00:AB:10%1f'
config host
	option name 'byid'
	option hostid 'beef'
config host
	option mac '02:00:00:00:00:06'
config host
	option name "\x1b\x01"
	option mac '02:00:00:00:00:07'
`)
	r.write("tmp/dhcp.leases", "0 "+m1+" 192.168.1.1 lease1 *\n0 "+m3+" 192.168.1.3 lease3 *\n0 "+m5+" 192.168.1.5 lease5 *\n"+
		"100 "+m6+" 192.168.1.6 old *\n200 "+m6+" 192.168.1.7 newer *\n150 "+m6+" 192.168.1.8 older *\n0 77 2001:db8::77 lease77 00:02:00:00:ab:10\n")
	if err := os.Mkdir(filepath.Join(r.root, "tmp/odhcpd"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.write("tmp/odhcpd/leases", "# br-lan 00020000ab11 1f od6 0 a 128 2001:db8::a/128\n# br-lan 02000000000a ipv4 od4 0 a 32 192.168.1.10/32\n"+
		"# br-lan 0003000102000000000b 1f odll 0 a 128 2001:db8::b/128\n")
	r.write("etc/ethers", "02:00:00:00:00:0c ether\n"+m5+" ether5\n")
	r.write("etc/hosts", "127.0.0.1 localhost\n192.168.1.5 hosts5\n192.168.1.13 hosts13\n")

	var now atomic.Int64
	now.Store(1000)
	res := r.open(hosts.WithClock(func() time.Time { return time.Unix(now.Load(), 0) }))
	for _, test := range []struct{ mac, addr, want string }{
		{m1, "192.168.1.1", "Anna's phone alias"},
		{m2, "", "Anna's phone alias"},
		{m3, "192.168.1.3", "static3 uci"},
		{"02:00:00:00:00:ab", "", "static3 uci"},
		{"aa:bb:cc:dd:ee:0f", "", "static4 uci"},
		{m4, "192.168.1.99", "static4 uci"},
		{m5, "192.168.1.5", "lease5 dnsmasq"},
		{m6, "", "newer dnsmasq"},
		{"02:00:00:00:00:07", "", "x1bx01 uci"},
		{"02:00:00:00:00:0a", "", "od4 odhcpd"},
		{"02:00:00:00:00:0b", "", "odll odhcpd"},
		{"02:00:00:00:00:0c", "", "ether ethers"},
		{"02:00:00:00:00:0d", "192.168.1.13", "hosts13 hosts"},
		{"02:00:00:00:00:0d", "192.168.1.77", "byaddress uci"},
		{"02:00:00:00:00:0d", "2001:db8::77", "byduid uci"},
		{"02:00:00:00:00:0d", "2001:db8::a", "od6 odhcpd"},
		{"02:00:00:00:00:0d", "2001:db8::beef", "byid uci"},
		{"02:00:00:00:00:0d", "fe80::beef", ""},
		{"02:00:00:00:00:0d", "192.168.1.5", "hosts5 hosts"}, // a lease is its MAC's only
		{"02:00:00:00:00:0d", "192.168.1.4", ""},
		{"", "192.168.1.4", "static4 uci"}, // raw IP: there is no MAC to go by
		{"", "192.168.1.10", "od4 odhcpd"},
		{"", "192.168.1.7", ""}, // expired
		{"", "::ffff:192.168.1.13", "hosts13 hosts"},
		{"", "", ""},
	} {
		if got := who(res, test.mac, test.addr); got != test.want {
			t.Errorf("%s %s: got %q, want %q", test.mac, test.addr, got, test.want)
		}
	}
	if id := res.Identify("lan", mac(m2), netip.Addr{}); id.Device != mac(m1) {
		t.Errorf("%s is part of %v", m2, id.Device)
	}
	if id := res.Identify("lan", mac(m3), netip.Addr{}); id.Device != mac(m3) {
		t.Errorf("%s is part of %v", m3, id.Device)
	}
	if online, known := res.Online("lan", account.MAC{}, addr("192.168.1.1")); online || known {
		t.Error("a host without MAC is known to be online or not")
	}

	// The other way round, and without some.
	c := r.c
	c.Names = []string{"hosts", "ethers", "dnsmasq", "uci"}
	res.Configure(c)
	r.await(res, m5, "192.168.1.5", "hosts5 hosts")
	r.await(res, m5, "", "ether5 ethers")
	r.await(res, m3, "", "lease3 dnsmasq")
	r.await(res, m1, "", "lease1 dnsmasq")
	r.await(res, "02:00:00:00:00:0a", "", "")
	if id := res.Identify("lan", mac(m2), netip.Addr{}); id.Device != mac(m2) {
		t.Error("aliases apply though they are no source")
	}
	// Leases from elsewhere.
	r.write("tmp/other", "0 "+m3+" 192.168.1.3 elsewhere *\n")
	c.Paths.Leases = filepath.Join(r.root, "tmp/other")
	res.Configure(c)
	r.await(res, m3, "", "elsewhere dnsmasq")
	r.await(res, m5, "", "ether5 ethers")
}

func TestFilesAreFollowed(t *testing.T) {
	r := newRouter(t)
	res := r.open()
	static := func(name string) string {
		return "config host\n\toption name '" + name + "'\n\toption mac '" + m1 + "'\n"
	}
	lease := func(name string) string { return "0 " + m2 + " 192.168.1.2 " + name + " *\n" }

	r.dhcp(static("one"))
	r.await(res, m1, "", "one uci")
	select {
	case <-res.Changed():
	case <-time.After(time.Second):
		t.Error("nobody was told")
	}
	r.remove("etc/config/dhcp")
	r.await(res, m1, "", "")
	r.dhcp(static("two"))
	r.await(res, m1, "", "two uci")

	// Leases appear, are written in place, replaced, removed.
	r.write("tmp/dhcp.leases", lease("a"))
	r.await(res, m2, "", "a dnsmasq")
	r.write("tmp/dhcp.leases", lease("b"))
	r.await(res, m2, "", "b dnsmasq")
	f, err := os.OpenFile(filepath.Join(r.root, "tmp/dhcp.leases"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range []string{"c", "d"} { // kept open, as dnsmasq does
		if err := errors.Join(f.Truncate(0), func() error { _, err := f.WriteAt([]byte(lease(name)), 0); return err }()); err != nil {
			t.Fatal(err)
		}
		r.await(res, m2, "", name+" dnsmasq")
	}
	r.replace("tmp/dhcp.leases", lease("e"))
	r.await(res, m2, "", "e dnsmasq")
	r.remove("tmp/dhcp.leases")
	r.await(res, m2, "", "")

	// So does a folder, which is then replaced by another.
	state := func(name string) string { return "# br-lan 020000000003 ipv4 " + name + " 0 a 32 192.168.1.3/32\n" }
	for i, name := range []string{"f", "g", "h"} {
		fresh := fmt.Sprintf("tmp/fresh%d", i)
		if err := os.Mkdir(filepath.Join(r.root, fresh), 0o755); err != nil {
			t.Fatal(err)
		}
		r.write(fresh+"/leases", state(name))
		if i > 0 {
			r.rename("tmp/odhcpd", fmt.Sprintf("tmp/gone%d", i))
		}
		r.rename(fresh, "tmp/odhcpd")
		r.await(res, m3, "", name+" odhcpd")
		r.replace("tmp/odhcpd/leases", state(name+name))
		r.await(res, m3, "", name+name+" odhcpd")
	}
	r.remove("tmp/odhcpd")
	r.await(res, m3, "", "")

	// A link to a file elsewhere.
	if err := os.Mkdir(filepath.Join(r.root, "elsewhere"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.write("elsewhere/ethers", m4+" i\n")
	if err := os.Symlink("../elsewhere/ethers", filepath.Join(r.root, "etc/ethers")); err != nil {
		t.Fatal(err)
	}
	r.await(res, m4, "", "i ethers")
	r.write("elsewhere/ethers", m4+" j\n")
	r.await(res, m4, "", "j ethers")

	// Another file of leases.
	r.write("tmp/second", lease("k"))
	r.replace("etc/config/dhcp", fmt.Sprintf("config dnsmasq\n\toption leasefile '%s/tmp/second'\n", r.root))
	r.await(res, m2, "", "k dnsmasq")
	r.write("tmp/second", lease("l"))
	r.await(res, m2, "", "l dnsmasq")
}

func TestUnreadableFiles(t *testing.T) {
	r := newRouter(t)
	r.dhcp("config host\n\toption name 'keep'\n\toption mac '" + m1 + "'\n")
	r.write("tmp/dhcp.leases", "0 "+m2+" 192.168.1.2 keep2 *\n")
	res := r.open()
	if got := who(res, m1, "") + who(res, m2, ""); got != "keep ucikeep2 dnsmasq" {
		t.Fatalf("got %q", got)
	}
	r.replace("etc/config/dhcp", "config host\n\toption name 'x\n")
	r.remove("tmp/dhcp.leases")
	if err := syscall.Mkfifo(filepath.Join(r.root, "tmp/dhcp.leases"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "two problems", func() bool { return len(res.Problems()) == 2 })
	problems := strings.Join(res.Problems(), "\n")
	if !strings.Contains(problems, "/etc/config/dhcp:2: value without closing '") || !strings.Contains(problems, "tmp/dhcp.leases: invalid argument") {
		t.Errorf("got %s", problems)
	}
	if who(res, m1, "") != "keep uci" {
		t.Error("a file that cannot be read took its names with it")
	}
	r.dhcp("")
	r.remove("tmp/dhcp.leases")
	eventually(t, "no problems", func() bool { return len(res.Problems()) == 0 })
	r.await(res, m1, "", "")
}

// descriptors counts what this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestReplacedHundredTimes(t *testing.T) {
	r := newRouter(t)
	fds, routines := descriptors(t), runtime.NumGoroutine()
	func() {
		res := hosts.Open(r.c)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- res.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()
		steady := 0
		for i := range 100 {
			name := fmt.Sprintf("name%d", i)
			r.dhcp("config host\n\toption name '" + name + "'\n\toption mac '" + m1 + "'\n")
			r.replace("tmp/dhcp.leases", "0 "+m2+" 192.168.1.2 "+name+" *\n")
			if i%10 != 9 {
				continue // so that changes come both slowly and fast
			}
			r.await(res, m1, "", name+" uci")
			r.await(res, m2, "", name+" dnsmasq")
			if i == 9 {
				steady = descriptors(t)
			} else if n := descriptors(t); n != steady {
				t.Errorf("%d descriptors after %d, %d before", n, i+1, steady)
			}
		}
		r.dhcp("")
		r.await(res, m1, "", "")
	}()
	eventually(t, "goroutines and descriptors are back", func() bool {
		return runtime.NumGoroutine() <= routines && descriptors(t) <= fds
	})
}

// cpu is how much processor time this process has used.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Two thousand hosts join in five seconds rather than a minute. The whole file is
// written anew each time, as dnsmasq does.
func TestManyHostsJoin(t *testing.T) {
	r := newRouter(t)
	res := r.open()
	const n = 2000
	var file strings.Builder
	began, used := time.Now(), cpu(t)
	for i := range n {
		fmt.Fprintf(&file, "1700000000 02:00:00:01:%02x:%02x 10.0.%d.%d host%d 01:02\n", i>>8, i&255, i>>8, i&255, i)
		if i%5 == 0 || i == n-1 {
			r.write("tmp/dhcp.leases", file.String())
		}
		time.Sleep(2 * time.Millisecond)
	}
	named := func() bool {
		for i := range n {
			if who(res, fmt.Sprintf("02:00:00:01:%02x:%02x", i>>8, i&255), "") != fmt.Sprintf("host%d dnsmasq", i) {
				return false
			}
		}
		return true
	}
	eventually(t, "all are named", named)
	took := time.Since(began)
	loads := res.Loads()
	// The settle time alone allows four readings a second.
	if most := uint64(took/(200*time.Millisecond)) + 3; loads > most {
		t.Errorf("files were read %d times in %v", loads, took)
	}
	t.Logf("%d hosts in %v: %d readings, %v of CPU including the writer", n, took.Round(time.Millisecond), loads, (cpu(t) - used).Round(time.Millisecond))
}

// Another file of the folder that is written all the time costs no reading.
func TestOtherFilesDoNotCount(t *testing.T) {
	r := newRouter(t)
	res := r.open()
	before, used := res.Loads(), cpu(t)
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		r.write("tmp/log", "x")
	}
	if n := res.Loads() - before; n != 0 {
		t.Errorf("read %d times", n)
	}
	t.Logf("%v of CPU including the writer", cpu(t)-used)
	r.write("tmp/dhcp.leases", "0 "+m2+" 192.168.1.2 after *\n")
	r.await(res, m2, "", "after dnsmasq")
}

func TestHostileNames(t *testing.T) {
	r := newRouter(t)
	bad := "evil\u202egpj.exe\x1b[2J\x00\xff" + strings.Repeat("\u0336", 100) + strings.Repeat("A", 3000)
	r.write("tmp/dhcp.leases", "0 "+m1+" 192.168.1.1 "+strings.ReplaceAll(bad, "\x00", "")+" *\n0 "+m2+" 192.168.1.2 <script>alert(\"1\")</script> *\n")
	r.write("etc/hosts", "192.168.1.3 a\x07b\u2028c\n")
	r.dhcp("config host\n\toption name '" + strings.ReplaceAll(bad, "\x00", "") + "\nnext'\n\toption mac '" + m4 + "'\n")
	lease := `{"device":{"x":{"leases":[{"mac":"020000000005","hostname":"a\u0000b\u001b\u202e\"<","address":"192.168.1.5"}]}}}`
	res := r.open(hosts.WithLeases(func(_ context.Context, method string) ([]byte, error) {
		if method == "ipv4leases" {
			return []byte(lease), nil
		}
		return nil, errors.New("method not found")
	}))
	r.await(res, m5, "", `ab"< odhcpd`)
	for _, host := range [][2]string{{m1, ""}, {m2, ""}, {m3, "192.168.1.3"}, {m4, ""}, {m5, ""}} {
		id := res.Identify("lan", mac(host[0]), addr(host[1]))
		if id.Hostname == "" {
			t.Errorf("%v has no name", host)
		}
		safe(t, id.Hostname)
	}
}

func TestLeasesOverUbus(t *testing.T) {
	r := newRouter(t)
	var calls atomic.Int64
	var answer atomic.Pointer[string]
	set := func(s string) { answer.Store(&s) }
	set(`{"device":{"br-lan":{"leases":[{"duid":"00020000ab10","hostname":"","ipv6-addr":[{"address":"2001:db8::5"}],"valid":3600}]}}}`)
	r.dhcp("config host\n\toption name 'byduid'\n\toption duid '00020000AB10'\n")
	res := r.open(hosts.WithLeases(func(_ context.Context, method string) ([]byte, error) {
		calls.Add(1)
		if method == "ipv4leases" {
			return nil, errors.New("not found")
		}
		return []byte(*answer.Load()), nil
	}))
	r.await(res, m1, "2001:db8::5", "byduid uci")
	set(`{"device":{"br-lan":{"leases":[{"duid":"00020000ab10","hostname":"asked","ipv6-addr":[{"address":"2001:db8::6"}],"valid":3600}]}}}`)
	res.Refresh()
	r.await(res, m1, "2001:db8::6", "byduid uci")
	r.dhcp("")
	r.await(res, m1, "2001:db8::6", "asked odhcpd")
	set(`not JSON`)
	res.Refresh()
	eventually(t, "a problem", func() bool { return len(res.Problems()) == 1 })
	set(`{}`)
	res.Refresh()
	eventually(t, "no problem", func() bool { return len(res.Problems()) == 0 })
	r.await(res, m1, "2001:db8::6", "")
	n := calls.Load()
	time.Sleep(200 * time.Millisecond)
	if calls.Load() != n {
		t.Error("odhcpd is polled")
	}
}

// A reader like github.com/digineo/go-uci's stands in for ours.
type tree struct{ hosts.Tree }

func (tree) LoadConfig(string, bool) error { return nil }
func (tree) GetSections(_, typ string) ([]string, bool) {
	if typ == "host" {
		return []string{"@host[0]"}, true
	}
	return nil, true
}
func (tree) Get(_, _, option string) ([]string, bool) {
	v, ok := map[string][]string{"name": {"other"}, "mac": {m1}}[option]
	return v, ok
}

func TestOtherReader(t *testing.T) {
	r := newRouter(t)
	dir := ""
	res := hosts.Open(r.c, hosts.WithTree(func(d string) hosts.Tree { dir = d; return tree{} }))
	defer res.Close()
	if who(res, m1, "") != "other uci" || dir != r.c.Paths.EtcConfig {
		t.Errorf("got %q from %s", who(res, m1, ""), dir)
	}
	want := account.Identity{Device: mac(m2)}
	if got := res.Identify("lan", mac(m2), netip.Addr{}); !reflect.DeepEqual(got, want) {
		t.Errorf("an unknown host is %+v", got)
	}
	if err := res.Close(); err != nil {
		t.Error(err)
	}
	if err := res.Run(context.Background()); err != nil {
		t.Errorf("run after close: %v", err)
	}
}
