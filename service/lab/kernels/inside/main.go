// SPDX-License-Identifier: GPL-2.0-only

// Command inside is what the kernel tests run in a guest: the classifier's own tests with the JIT off and on, and in a
// home one daemon after the other, each ended by kill -9 and replaced under traffic; the clock is set as well. It prints
// a line for each check, which package kernels reads. Called as ip or tc it is that tool.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/lab"
	"github.com/mezoura/mezoura/service/lab/kernels/iproute"
)

func main() {
	if err := run(filepath.Base(os.Args[0])); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(name string) error {
	if name == "ip" || name == "tc" {
		return iproute.Run(name, os.Args[1:], os.Stdin, os.Stdout)
	}
	var system unix.Utsname
	if err := unix.Uname(&system); err != nil {
		return fmt.Errorf("read kernel version: %w", err)
	}
	fmt.Printf("inside: kernel %s\n", unix.ByteSliceToString(system.Release[:]))
	failed := 0
	report := func(compiler, check string, start time.Time, err error, remark string) {
		verdict := "PASS"
		if err != nil {
			verdict, remark = "FAIL", err.Error()
			failed++
		}
		fmt.Printf("inside: %s %s %s %.1f %s\n", verdict, check, compiler, time.Since(start).Seconds(), strings.ReplaceAll(remark, "\n", " | "))
	}
	l, err := lab.Open()
	if err != nil {
		return err
	}
	defer l.Close()
	start := time.Now()
	h, err := newHouse(l)
	if err != nil {
		return fmt.Errorf("build a home: %w", err)
	}
	fmt.Printf("inside: a home in %.1f s\n", time.Since(start).Seconds())
	const clsact, tcx = "clsact", "tcx"
	serve := func(mode string, c compiler) {
		start := time.Now()
		remark, err := h.serve(mode, c)
		report(c.name, "daemon/"+mode, start, err, remark)
		h.end()
	}
	states := compilers()
	for i, compiler := range states {
		if err := compiler.set(); err != nil {
			report(compiler.name, "jit", time.Now(), err, "")
			continue
		}
		// What does not depend on how programs run is tested in one state only.
		tests := os.Getenv("MEZOURA_BPF_TESTS")
		if i < len(states)-1 {
			tests = os.Getenv("MEZOURA_BPF_TESTS_EACH")
		}
		for _, check := range classifier(strings.Fields(tests)) {
			report(compiler.name, check.name, check.start, check.err, "")
		}
		serve(clsact, compiler)
	}
	last, mode := states[len(states)-1], clsact
	if hasTCX(system) {
		mode = tcx
		serve(mode, last)
	}
	if mode == tcx || len(states) == 1 { // the way of attaching that has not been taken over yet
		serve(mode, last)
	}
	if os.Getenv("MEZOURA_CLOCK") == "1" {
		start := time.Now()
		remark, err := h.clock(mode)
		report(last.name, "clock", start, err, remark)
	}
	start = time.Now()
	report(last.name, "detach", start, h.close(), "")
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}

func hasTCX(system unix.Utsname) bool {
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(system.Release[:]), "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 6 || major == 6 && minor >= 6
}
