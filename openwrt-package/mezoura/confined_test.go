// SPDX-License-Identifier: GPL-2.0-only

package mezoura_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// The user of the daemon in these tests; nobody else is it.
const user, group = 34711, 34712

// rights are the capabilities file that the init script chooses for this kernel, and the bits in /proc.
func rights(t *testing.T) (file, bits string) {
	t.Helper()
	mended, err := lab.KernelAtLeast(6, 18)
	if err != nil {
		t.Fatal(err)
	}
	if !mended {
		return "files/mezoura-perfmon.capabilities.json", "000000c000001000"
	}
	return "files/mezoura.capabilities.json", "0000008000001000" // CAP_BPF is 39, CAP_NET_ADMIN 12
}

// confine is the command that gives a program the rights which procd and ujail give
// the daemon: those of the capabilities file, and none to gain.
func confine(t *testing.T) []string {
	t.Helper()
	if _, err := exec.LookPath("setpriv"); err != nil {
		unable(t, "%v: install util-linux", err)
	}
	name, _ := rights(t)
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var sets map[string][]string
	if err := json.Unmarshal(data, &sets); err != nil {
		t.Fatal(err)
	}
	list := func(set string) string {
		text := "-all"
		for _, name := range sets[set] {
			text += ",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))
		}
		return text
	}
	return []string{
		"setpriv", "--reuid", strconv.Itoa(user), "--regid", strconv.Itoa(group), "--clear-groups",
		"--inh-caps=" + list("inheritable"), "--ambient-caps=" + list("ambient"), "--bounding-set=" + list("bounding"),
		"--no-new-privs",
	}
}

// prepare does what the init script does before it starts the daemon.
func prepare(t *testing.T, s *lab.Setup) {
	t.Helper()
	for _, dir := range []string{filepath.Dir(s.State), s.State, s.BPFFS} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if output, err := exec.Command("chown", "-hR", strconv.Itoa(user)+":"+strconv.Itoa(group), dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
	}
	// The jail has only the folder, not what is above it.
	if err := os.Chmod(filepath.Dir(s.BPFFS), 0o711); err != nil {
		t.Fatal(err)
	}
}

// Everything works with the two or three capabilities: attaching either way, counting exactly,
// pins that outlive the daemon, taking them over.
func TestConfined(t *testing.T) {
	if os.Geteuid() != 0 {
		unable(t, "makes network namespaces: needs root")
	}
	binary := daemonBinary(t)
	for _, mode := range []string{"tcx", "clsact"} {
		t.Run(mode, func(t *testing.T) { confined(t, binary, mode) })
	}
}

// daemonBinary is a daemon that the user may run.
func daemonBinary(t *testing.T) string {
	t.Helper()
	binary, err := lab.Binary(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(binary); dir != "/" && os.Getenv("MEZOURA_BINARY") == ""; dir = filepath.Dir(dir) {
		if dir == os.TempDir() {
			break
		}
		if err := os.Chmod(dir, 0o755); err != nil { // that the user may run it
			t.Fatal(err)
		}
	}
	return binary
}

func confined(t *testing.T, binary, mode string) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := lab.Open()
	must(err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	home, err := l.Home(2)
	must(err)
	setup, err := home.Setup(binary, home.Router.Namespace, append(home.Flags(), "-attach", mode)...)
	must(err)
	setup.Wrapper = confine(t)
	setup.Env = []string{"GOMEMLIMIT=12MiB", "GOMAXPROCS=1"}
	prepare(t, setup)

	var meters []*lab.Meter
	for _, h := range home.Hosts {
		m, err := h.Meter()
		must(err)
		meters = append(meters, m)
	}
	start := func() *lab.Daemon {
		t.Helper()
		d, err := home.Start(setup)
		must(err)
		t.Cleanup(func() {
			if t.Failed() {
				t.Log(strings.Join(d.Output(), "\n"))
			}
		})
		must(d.Ready(context.Background(), home.Attached...))
		return d
	}
	traffic := func() {
		t.Helper()
		for i, h := range home.Hosts {
			for _, f := range lab.Families {
				_, _, err := lab.Stream{
					Client: h.Namespace, From: h.Addr(f), Server: home.Internet.Namespace, Listen: home.Internet.Addr(f),
					Upload: 100_000 + int64(i), Download: 200_000 + int64(i), Buffer: 64 << 10,
				}.Run(context.Background())
				must(err)
			}
		}
	}
	expect := func(d *lab.Daemon) {
		t.Helper()
		list, err := lab.Expect(home.Hosts, meters)
		must(err)
		if _, err := d.Await(context.Background(), list); err != nil {
			t.Fatal(err)
		}
	}

	d := start()
	checkRights(t, d.PID())
	traffic()
	expect(d)
	if _, err := setup.ReadTextfile(); err != nil {
		t.Error(err)
	}

	d.Kill()
	traffic() // nobody reads, the kernel counts
	d = start()
	traffic()
	expect(d)
	must(d.Terminate())

	setup.Wrapper = nil // the init script is root
	must(setup.Detach())
	if left, err := filepath.Glob(filepath.Join(setup.BPFFS, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, error %v", left, err)
	}
}

// When ujail is killed, the daemon in it ends too, and the next one takes over.
func TestEndsWithJail(t *testing.T) {
	if os.Geteuid() != 0 {
		unable(t, "makes network namespaces: needs root")
	}
	l, err := lab.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	home, err := l.Home(1)
	if err != nil {
		t.Fatal(err)
	}
	setup, err := home.Setup(daemonBinary(t), home.Router.Namespace, home.Flags()...)
	if err != nil {
		t.Fatal(err)
	}
	prepare(t, setup)
	// Like ujail: waits outside for a process that is the first of its namespace.
	setup.Wrapper = append([]string{"unshare", "--pid", "--fork"}, confine(t)...)
	for i := 0; i < 2; i++ {
		d, err := home.Start(setup)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Ready(context.Background(), home.Attached...); err != nil {
			t.Fatal(err)
		}
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", d.PID()))
		if err != nil {
			t.Fatal(err)
		}
		daemon, err := strconv.Atoi(strings.TrimSpace(string(children)))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		// The daemon's output ends with the daemon.
		if _ = d.Wait(10 * time.Second); d.ExitCode() != -1 || !strings.Contains(strings.Join(d.Output(), "\n"), "signal=terminated") {
			_ = syscall.Kill(daemon, syscall.SIGKILL)
			t.Fatalf("the daemon did not end:\n%s", strings.Join(d.Output(), "\n"))
		}
	}
	setup.Wrapper = nil
	if err := setup.Detach(); err != nil {
		t.Error(err)
	}
}

// checkRights sees that the process has what the file says and no more.
func checkRights(t *testing.T, pid int) {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	_, all := rights(t)
	id := strconv.Itoa(user)
	for _, want := range []string{
		"Uid:\t" + id + "\t" + id + "\t" + id + "\t" + id, "NoNewPrivs:\t1", "CapEff:\t" + all, "CapPrm:\t" + all, "CapBnd:\t" + all,
	} {
		if !strings.Contains(string(status), want+"\n") {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
}
