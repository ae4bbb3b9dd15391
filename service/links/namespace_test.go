// SPDX-License-Identifier: GPL-2.0-only

package links_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/links"
)

// How long a change may take to be seen. It takes 5 to 10 ms; the rest is for guests on busy machines.
const (
	prompt   = time.Second
	patience = 5 * time.Second
)

// namespace is a network namespace of the test's own.
type namespace struct {
	t    testing.TB
	file *os.File
}

func newNamespace(t testing.TB) *namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces takes root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs the command ip (package iproute2)")
	}
	n := &namespace{t: t}
	n.do(nil, func() {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Fatalf("make network namespace: %v", err)
		}
		f, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		if err != nil {
			t.Fatalf("open network namespace: %v", err)
		}
		n.file = f
	})
	t.Cleanup(func() { n.file.Close() })
	return n
}

// do runs fn on a thread that ends with it, inside the namespace of f if there is one.
func (n *namespace) do(f *os.File, fn func()) {
	n.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread is thrown away
		if f != nil {
			if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
				n.t.Errorf("enter network namespace: %v", err)
				return
			}
		}
		fn()
	}()
	<-done
}

// ip runs lines of ip commands.
func (n *namespace) ip(lines ...string) {
	n.t.Helper()
	if out, err := n.tryIP(lines...); err != nil {
		n.t.Fatalf("ip %s: %v: %s", strings.Join(lines, "; "), err, out)
	}
}

func (n *namespace) tryIP(lines ...string) (string, error) {
	n.t.Helper()
	var out []byte
	err := fmt.Errorf("not run")
	n.do(n.file, func() {
		cmd := exec.Command("ip", "-batch", "-")
		cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
		out, err = cmd.CombinedOutput()
	})
	return string(bytes.TrimSpace(out)), err
}

// offers reports whether this kernel has a kind of device, by making one. Where it has not,
// the vectors of decode_test.go must do.
func (n *namespace) offers(what string, lines ...string) bool {
	n.t.Helper()
	out, err := n.tryIP(lines...)
	if err != nil {
		out, _, _ = strings.Cut(out, "\n")
		n.t.Logf("this kernel has no %s: %s", what, out)
	}
	return err == nil
}

func (n *namespace) watch(opts ...links.Option) *links.Watcher {
	n.t.Helper()
	w, err := links.Open(append(opts, links.InNamespace(int(n.file.Fd())))...)
	if err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	n.t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				n.t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			n.t.Error("Run does not end with its context")
		}
		if err := w.Close(); err != nil {
			n.t.Errorf("Close: %v", err)
		}
	})
	return w
}

// await waits for Changed until the table is as wanted, and tells how long it took.
func await(t *testing.T, w *links.Watcher, what string, ok func(*links.Table) bool) time.Duration {
	t.Helper()
	start := time.Now()
	timeout := time.After(patience)
	for !ok(w.Table()) {
		select {
		case <-w.Changed():
		case <-timeout:
			t.Fatalf("%s: not seen within %v; table: %+v", what, patience, w.Table().Links())
		}
	}
	return time.Since(start)
}

func has(name string) func(*links.Table) bool {
	return func(t *links.Table) bool { _, ok := t.ByName(name); return ok }
}

func ports(bridge string, want ...string) func(*links.Table) bool {
	return func(t *links.Table) bool {
		b, ok := t.ByName(bridge)
		if !ok {
			return false
		}
		var got []string
		for _, p := range t.Ports(b.Index) {
			got = append(got, p.Name)
		}
		slices.Sort(got)
		return slices.Equal(got, want)
	}
}

func mustName(t *testing.T, table *links.Table, name string) links.Link {
	t.Helper()
	l, ok := table.ByName(name)
	if !ok {
		t.Fatalf("no device %s in %+v", name, table.Links())
	}
	return l
}
