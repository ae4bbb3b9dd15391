// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/lab"
	"github.com/mezoura/mezoura/service/lab/guest"
)

// forGuest are the tests that need what a developer's kernel may lack.
const forGuest = "^(TestTopology|TestForeignFilters)$/^(vlan|qinq|wireguard|flower)|^(TestFlowtable|TestNeighbouringPackages)$"

// packagesForGuest are other packages' tests of what a developer's kernel may lack, by the name of the test binary in the
// guest. TestWatcherOverrun needs nothing special, and half a minute there.
var packagesForGuest = map[string]struct{ path, run string }{
	"links":   {"github.com/mezoura/mezoura/service/links", "^TestWatcher[A-NP-Z]"},
	"offload": {"github.com/mezoura/mezoura/service/offload", "^TestFlowtablesLive$"},
}

// TestNeighbouringPackages runs other packages' tests where the kernel has all that they can look at.
func TestNeighbouringPackages(t *testing.T) {
	if elsewhere(t, lab.VLAN, lab.VLANFiltering, lab.WireGuard, lab.Flowtable) {
		return
	}
	if os.Getenv(guest.Inside) == "" {
		t.Skip("this kernel has all that they need: their own run has seen it")
	}
	for name, p := range packagesForGuest {
		t.Run(name, func(t *testing.T) {
			out, err := exec.Command("/"+name+".test", "-test.v", "-test.run", p.run).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "\n--- PASS: ") || strings.Contains(string(out), "this kernel makes no flowtables") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// elsewhere tells whether the test has been run in a guest, since this machine's kernel lacks a feature. One guest
// serves all tests of a run.
func elsewhere(t *testing.T, needs ...lab.Feature) bool {
	t.Helper()
	lacks := missing(t, needs...)
	if lacks == nil {
		return false
	}
	if os.Getenv(guest.Inside) != "" {
		t.Fatalf("the guest's kernel will not do: %s", strings.Join(lacks, "; "))
	}
	visit.Do(func() { visit.out, visit.err = runGuest(t) })
	for _, verdict := range []string{"PASS", "FAIL", "SKIP"} {
		if !strings.Contains(visit.out, fmt.Sprintf("--- %s: %s (", verdict, t.Name())) {
			continue
		}
		t.Logf("%s in a guest (here: %s)", verdict, strings.Join(lacks, "; "))
		if verdict != "PASS" {
			t.Errorf("failed in the guest:\n%s", visit.out)
		}
		return true
	}
	t.Fatalf("did not run in the guest: %v\n%s", visit.err, visit.out)
	return true
}

// missing lists the features that this kernel lacks, and how that showed.
func missing(t *testing.T, needs ...lab.Feature) []string {
	t.Helper()
	var lacks []string
	for _, f := range needs {
		if err := open(t).Probe(f); err != nil {
			lacks = append(lacks, err.Error())
		}
	}
	return lacks
}

var visit struct {
	sync.Once
	out string
	err error
}

// runGuest builds what the guest needs, and runs the tests for guests in it.
func runGuest(t *testing.T) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	folder := t.TempDir()
	g, err := guest.Laboratory(ctx, folder)
	if err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	g.Files["/lab.test"], g.Files["/mezoura"] = self, daemonBinary(t)
	for name, p := range packagesForGuest {
		file := filepath.Join(folder, name)
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", file, p.path)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return string(out), fmt.Errorf("build tests of %s: %w", p.path, err)
		}
		g.Files["/"+name+".test"] = file
	}
	g.Tools = append(g.Tools, self)
	g.Command = []string{"/lab.test", "-test.v", "-test.timeout=14m", "-test.run=" + forGuest}
	g.Env = append(g.Env, "MEZOURA_BINARY=/mezoura")
	start := time.Now()
	out, err := g.Boot(ctx)
	t.Logf("guest %s ran for %s", g.Kernel.Version, time.Since(start).Round(time.Second))
	return out, err
}
