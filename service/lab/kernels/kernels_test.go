// SPDX-License-Identifier: GPL-2.0-only

package kernels_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/lab/guest"
	"github.com/mezoura/mezoura/service/lab/kernels"
)

// classifierTests are the tests of package bpf that every kernel has to pass.
var classifierTests = []string{
	"TestStrictAlignment", "TestConfined", "TestLayout", "TestLayoutOfKeyTag", "TestLayoutConstants", // loads, and lies in memory as Go has it
	"TestVectors", "TestSlot", "TestTwoCPUs", // counts right
	"TestTornCounter", "TestReaderMends", "TestFindOpenRemove", "TestKilledInRotate", "TestRotateUnderLoad", // is read right
	"TestAttach", "TestWire", // attaches by clsact and tcx, and counts on a wire
}

// withoutJIT are those that are run with the JIT compiler off as well, where there is one.
var withoutJIT = []string{"TestVectors"}

// atOnce is how many rows run at a time: an emulated machine takes a processor, but for the moments in which it waits.
func atOnce() int { return runtime.NumCPU() + 1 }

// TestKernels runs the whole matrix, or the rows whose name matches MEZOURA_ROWS. It takes minutes of emulation, so it
// runs only where MEZOURA_KERNELS is 1; there nothing may be skipped.
func TestKernels(t *testing.T) {
	if os.Getenv("MEZOURA_KERNELS") != "1" {
		t.Skip("boots the kernels that routers have: set MEZOURA_KERNELS=1, or make test-kernels")
	}
	rows := kernels.Rows()
	if pattern := os.Getenv("MEZOURA_ROWS"); pattern != "" {
		wanted, err := regexp.Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		var some []kernels.Row
		for _, row := range rows {
			if wanted.MatchString(row.Name) {
				some = append(some, row)
			}
		}
		rows = some
	}
	if len(rows) == 0 {
		t.Fatal("no rows to run")
	}
	top := projectFolder(t)
	cache, err := guest.Cache()
	if err != nil {
		t.Fatal(err)
	}
	runner := &kernels.Runner{Builder: kernels.NewBuilder(top, t.TempDir()), Cache: cache, Beside: filepath.Join(top, "../shared/kernels"),
		Tests: classifierTests, Each: withoutJIT, Quiet: 90 * time.Second}
	if os.Getenv("MEZOURA_GUEST_CONSOLE") != "" {
		runner.Console = os.Stderr
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour) // kernels may have to be built
	defer cancel()
	results := make([]*kernels.Result, len(rows))
	done := make([]chan struct{}, len(rows))
	turn := make(chan struct{}, atOnce())
	for i := range rows {
		done[i] = make(chan struct{})
	}
	go func() {
		for i, row := range rows {
			turn <- struct{}{}
			go func() {
				results[i] = runner.Run(ctx, row)
				close(done[i])
				<-turn
			}()
		}
	}()
	for i, row := range rows {
		t.Run(strings.ReplaceAll(row.Name, " ", "-"), func(t *testing.T) {
			<-done[i]
			r := results[i]
			if r.Passed() {
				return
			}
			for _, c := range r.Checks {
				if !c.Passed {
					t.Errorf("%s, %s: %s", c.Name, c.Compiler, c.Remark)
				}
			}
			t.Errorf("%v\n%s", r.Err, r.Output)
		})
	}
	t.Logf("%d rows in %s\n%s", len(rows), time.Since(start).Round(time.Second), kernels.Table(results))
}

func projectFolder(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}
