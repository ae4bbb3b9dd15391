// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"crypto/rand"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// confinedRoot in the environment makes TestConfined the process that is confined.
const confinedRoot = "MEZOURA_CONFINED_ROOT"

// TestConfined loads every program as a user with CAP_BPF and CAP_NET_ADMIN alone. Without CAP_PERFMON the verifier follows
// what a processor might do by speculation too, and before 6.18 it refuses what it finds there instead of mending it. There
// the daemon has that one as well.
func TestConfined(t *testing.T) {
	if root := os.Getenv(confinedRoot); root != "" {
		confined(t, root)
		return
	}
	needBPF(t)
	top := t.TempDir()
	for dir := top; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("bpf", top, "bpf", 0, ""); err != nil {
		t.Fatalf("mount bpffs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(top, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	const user = 34711
	if err := os.Chown(top, user, user); err != nil {
		t.Fatal(err)
	}
	// The test's own file lies where that user may not look.
	image, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	cmd := exec.Command("/proc/self/fd/3", "-test.run=^TestConfined$", "-test.v")
	cmd.ExtraFiles = []*os.File{image}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), confinedRoot+"="+top)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: user, Gid: user},
		AmbientCaps: []uintptr{unix.CAP_BPF, unix.CAP_NET_ADMIN},
	}
	if wantsPerfmon(t) {
		cmd.SysProcAttr.AmbientCaps = append(cmd.SysProcAttr.AmbientCaps, unix.CAP_PERFMON)
	}
	output, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "--- PASS: TestConfined") {
		t.Fatalf("%v\n%s", err, output)
	}
	t.Logf("%s", output)
}

// wantsPerfmon is what the init script goes by.
func wantsPerfmon(t *testing.T) bool {
	t.Helper()
	return !kernelAtLeast(t, 6, 18)
}

func confined(t *testing.T, root string) {
	if missing() != "" || capable(unix.CAP_PERFMON) != wantsPerfmon(t) || capable(unix.CAP_SYS_ADMIN) {
		t.Fatalf("this is not what a confined daemon has%s", missing())
	}
	tables, err := Create(root, Size{Addresses: 256, CPUs: possibleCPUs(t)}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tables.Remove(); err != nil {
			t.Error(err)
		}
	})
	mustApply(t, tables, &Rules{Networks: []Network{{Name: "lan", Prefixes: []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24")}}}})
	for _, v := range []variant{upload, download, downloadPort, uploadRaw, downloadRaw} {
		p, err := tables.load(v, 3, 0)
		if err != nil {
			t.Errorf("%s: %+v", v, err)
			continue
		}
		if info, err := p.Info(); err == nil {
			n, _ := info.VerifiedInstructions()
			t.Logf("%s: %d instructions verified", v, n)
		}
		p.Close()
	}
}
