// SPDX-License-Identifier: GPL-2.0-only

package kernels

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mezoura/mezoura/service/lab/guest"
)

// Check is one thing that was tried in a guest.
type Check struct {
	Name, Compiler string // Compiler: "jit", "interpreter"
	Passed         bool
	Time           time.Duration // on the emulated machine
	Remark         string        // of a check that failed: how
}

// Result is how a row went.
type Result struct {
	Row    Row
	Kernel string // its release; "" when it never said
	Checks []Check
	Took   time.Duration // the last boot, from the machine's start to its end
	Used   time.Duration // of a processor, by that
	Tries  int
	Err    error
	Output string
}

// Runner runs rows.
type Runner struct {
	Builder *Builder
	Cache   string        // folder for kernels
	Beside  string        // folder that may hold kernels built earlier, vmlinux-mips-be-VERSION.xz
	Tests   []string      // of package bpf, to be run in every guest
	Each    []string      // those of them to be run with the JIT compiler off as well
	Quiet   time.Duration // how long a guest may print nothing: some stand still for ever
	Console io.Writer     // gets the guests' output as it comes; may be nil
}

// modules are what a home and the classifier need of the kernel.
var modules = []string{"af_packet", "ipv6", "veth", "bridge", "sch_ingress", "cls_bpf"}

// memory of a guest in MiB.
const memory = 256

// tries: emulated machines stand still at times, through no fault of what runs on them.
const tries = 2

// Run gets the kernel, builds the binaries and boots the row's guest.
func (r *Runner) Run(ctx context.Context, row Row) *Result {
	result := &Result{Row: row}
	start := time.Now()
	defer func() { result.Took = time.Since(start) }()
	kernel, err := r.Kernel(ctx, row)
	if err != nil {
		result.Err = err
		return result
	}
	binaries, err := r.Builder.Binaries(ctx, row)
	if err != nil {
		result.Err = err
		return result
	}
	at := func(name string) string { return filepath.Join(binaries, name) }
	files := map[string]string{"/bin/inside": at("inside"), "/mezoura": at("mezoura"), "/bpf/bpf.test": at("bpf.test")}
	for _, name := range []string{"object_bpfel.o", "object_bpfeb.o", "mezoura.bpf.h"} {
		files["/bpf/"+name] = filepath.Join(r.Builder.top, "bpf", name)
	}
	env := []string{"MEZOURA_BPF_TESTS=" + strings.Join(r.Tests, " "), "MEZOURA_BPF_TESTS_EACH=" + strings.Join(r.Each, " ")}
	if row.JIT {
		env = append(env, "MEZOURA_JIT=1")
	}
	if row.Clock {
		env = append(env, "MEZOURA_CLOCK=1")
	}
	g := &guest.Guest{Kernel: kernel, Machine: &row.Machine, Init: at("init"), Memory: memory, Modules: modules, Files: files,
		Links:   map[string]string{"/bin/ip": "inside", "/bin/tc": "inside"},
		Command: []string{"/bin/inside"}, Env: env}
	for result.Tries < tries {
		result.Tries++
		start = time.Now()
		attempt, cancel := context.WithCancel(ctx)
		dog := &watchdog{to: r.Console, quiet: r.Quiet}
		dog.timer = time.AfterFunc(r.Quiet, cancel)
		g.Console = dog
		result.Output, result.Err = g.Boot(attempt)
		result.Used = g.Used
		dog.timer.Stop()
		stalled := attempt.Err() != nil && ctx.Err() == nil
		cancel()
		result.read()
		vanished := errors.Is(result.Err, guest.ErrEnded) && !strings.Contains(result.Output, "Kernel panic")
		if !stalled && !vanished {
			break
		}
	}
	if result.Err == nil && len(result.Checks) == 0 {
		result.Err = fmt.Errorf("%s: no check was run", row.Name)
	}
	return result
}

// watchdog passes output on, and puts its timer off with each piece.
type watchdog struct {
	to    io.Writer
	quiet time.Duration
	timer *time.Timer
}

func (w *watchdog) Write(b []byte) (int, error) {
	w.timer.Reset(w.quiet)
	if w.to == nil {
		return len(b), nil
	}
	return w.to.Write(b)
}

var (
	kernelLine = regexp.MustCompile(`inside: kernel (\S+)`)
	checkLine  = regexp.MustCompile(`(?m)^inside: (PASS|FAIL) (\S+) (\S+) (\d+\.\d) ?(.*)$`)
)

// read takes the checks out of the guest's output.
func (r *Result) read() {
	r.Checks = nil
	if m := kernelLine.FindStringSubmatch(r.Output); m != nil {
		r.Kernel = m[1]
	}
	for _, m := range checkLine.FindAllStringSubmatch(r.Output, -1) {
		seconds, _ := strconv.ParseFloat(m[4], 64)
		r.Checks = append(r.Checks, Check{Name: m[2], Compiler: m[3], Passed: m[1] == "PASS",
			Time: time.Duration(seconds * float64(time.Second)), Remark: m[5]})
	}
}

func (r *Result) failed() bool {
	for _, c := range r.Checks {
		if !c.Passed {
			return true
		}
	}
	return false
}

// Passed tells whether the row is proven.
func (r *Result) Passed() bool { return r.Err == nil && !r.failed() }
