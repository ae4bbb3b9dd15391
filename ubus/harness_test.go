// SPDX-License-Identifier: GPL-2.0-only

package ubus_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/broker"
)

// requireAll makes a missing ubusd, ubus tool or libubus a failure.
const requireAll = "MEZOURA_REQUIRE_LIBUBUS"

func skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv(requireAll) != "" {
		t.Fatal(why + ", and " + requireAll + " is set")
	}
	t.Skip(why)
}

// server is a broker that can be stopped the hard way and started again.
type server interface {
	start(t testing.TB)
	stop(t testing.TB)
	socket() string
}

// ours is the broker of this project.
type ours struct {
	path string
	b    *broker.Broker
	done chan error
}

func (s *ours) socket() string { return s.path }

func (s *ours) start(t testing.TB) {
	t.Helper()
	b, err := broker.Listen(s.path, broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.b, s.done = b, make(chan error, 1)
	go func() { s.done <- b.Serve(context.Background()) }()
}

func (s *ours) stop(t testing.TB) {
	t.Helper()
	if s.b == nil {
		return
	}
	if err := s.b.Close(); err != nil {
		t.Error(err)
	}
	if err := <-s.done; err != nil {
		t.Error(err)
	}
	s.b = nil
}

// reference is ubusd.
type reference struct {
	path string
	cmd  *exec.Cmd
}

func (s *reference) socket() string { return s.path }

func (s *reference) start(t testing.TB) {
	t.Helper()
	s.cmd = exec.Command("ubusd", "-s", s.path, "-A", filepath.Dir(s.path))
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "ubusd listens", func() bool {
		probe, err := net.Dial("unix", s.path)
		if err == nil {
			probe.Close()
		}
		return err == nil
	})
}

func (s *reference) stop(t testing.TB) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	_ = os.Remove(s.path)
	s.cmd = nil
}

// shortDir is a temporary folder whose name fits into a socket's address.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ubt-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func startServer(t testing.TB, name string) server {
	t.Helper()
	path := filepath.Join(shortDir(t), "s")
	var s server = &ours{path: path}
	if name == "ubusd" {
		if _, err := exec.LookPath("ubusd"); err != nil {
			skip(t, "no ubusd on PATH")
		}
		if os.Geteuid() != 0 {
			skip(t, "ubusd grants everything to root only")
		}
		s = &reference{path: path}
	}
	s.start(t)
	t.Cleanup(func() { s.stop(t) })
	return s
}

// bench is one pair of transport and broker under test.
type bench struct {
	transport string
	server    server
}

// everywhere runs f over every transport and broker there is.
func everywhere(t *testing.T, f func(t *testing.T, b *bench)) {
	t.Helper()
	for _, name := range []string{"broker", "ubusd"} {
		for _, transport := range []string{"wire", "libubus"} {
			t.Run(transport+" to "+name, func(t *testing.T) {
				t.Parallel()
				if !slices.Contains(ubus.Transports(), transport) {
					skip(t, "built without "+transport)
				}
				f(t, &bench{transport: transport, server: startServer(t, name)})
			})
		}
	}
}

func (b *bench) options() ubus.Options {
	return ubus.Options{Socket: b.server.socket(), Transport: b.transport, Timeout: 10 * time.Second}
}

func (b *bench) dial(t testing.TB) *ubus.Conn {
	t.Helper()
	return dial(t, b.options())
}

func dial(t testing.TB, opt ubus.Options) *ubus.Conn {
	t.Helper()
	c, err := ubus.Dial(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("in 10 s never: %s", what)
}

// tool runs the ubus tool and returns what it printed.
func (b *bench) tool(t testing.TB, args ...string) string {
	t.Helper()
	out, err := b.command(t, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ubus %q: %v: %s", args, err, out)
	}
	return string(out)
}

func (b *bench) command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	if _, err := exec.LookPath("ubus"); err != nil {
		skip(t, "no ubus tool on PATH")
	}
	return exec.Command("ubus", append([]string{"-s", b.server.socket()}, args...)...)
}

// output runs the ubus tool in the background; what it printed so far is in
// the returned buffer.
func (b *bench) output(t testing.TB, args ...string) *buffer {
	t.Helper()
	cmd, out := b.command(t, args...), &buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return out
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// collector keeps what handlers were given.
type collector[T any] struct {
	mu  sync.Mutex
	got []T
}

func (c *collector[T]) add(v T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, v)
}

func (c *collector[T]) all() []T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}
