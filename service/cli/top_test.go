// SPDX-License-Identifier: GPL-2.0-only

package cli_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/cli"
	"github.com/mezoura/mezoura/service/object"
	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/broker"
)

// daemon is a home on a broker: it goes away with remove and comes back with put.
type daemon struct {
	t      *testing.T
	socket string
	home   *home
	broker *broker.Broker
	conn   *ubus.Conn
	object *ubus.Published
}

func publish(t *testing.T, h *home) *daemon {
	t.Helper()
	dir, err := os.MkdirTemp("", "mzcli-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &daemon{t: t, socket: filepath.Join(dir, "s"), home: h}
	d.listen()
	t.Cleanup(func() {
		d.broker.Close()
		d.conn.Close()
	})
	if d.conn, err = ubus.Dial(ctx, ubus.Options{Socket: d.socket, Transport: "wire"}); err != nil {
		t.Fatal(err)
	}
	d.put()
	return d
}

func (d *daemon) listen() {
	d.t.Helper()
	b, err := broker.Listen(d.socket, broker.Options{})
	if err != nil {
		d.t.Fatal(err)
	}
	d.broker = b
	go b.Serve(ctx)
}

func (d *daemon) put() {
	d.t.Helper()
	published, err := d.conn.Publish(ctx, d.home.object.Describe())
	if err != nil {
		d.t.Fatal(err)
	}
	d.object = published
}

func (d *daemon) remove() {
	d.t.Helper()
	if err := d.object.Close(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) top(wide, high int, args ...string) *terminal {
	d.t.Helper()
	return openTerminal(d.t, wide, high, nil, append([]string{"top", "-d", "0.2", "-ubus-socket", d.socket}, args...)...)
}

// hostColumn is the first word of each row of hosts.
func hostColumn(lines []string) []string {
	var names []string
	for _, line := range lines[2 : len(lines)-2] {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
	}
	return names
}

func TestTopKeys(t *testing.T) {
	d := publish(t, newHome(family()))
	term := d.top(100, 24)
	lines := term.awaitHead("6 hosts, 4 online, by rate")
	if got := hostColumn(lines); got[0] != "laptop" || got[1] != "电视机-客厅" || got[2] != "camera" {
		t.Errorf("by rate: %q", got)
	}
	if !strings.Contains(lines[len(lines)-1], "q quit") || !strings.HasPrefix(lines[len(lines)-2], "Total of 6 hosts") {
		t.Errorf("foot: %q", lines[len(lines)-2:])
	}
	term.key("s")
	if got := hostColumn(term.awaitHead("by total")); got[0] != "电视机-客厅" || got[1] != "camera" {
		t.Errorf("by total: %q", got)
	}
	term.key("s")
	byName := hostColumn(term.awaitHead("by name"))
	if byName[0] != "3e:00:00:00:00:05" || byName[5] != "电视机-客厅" {
		t.Errorf("by name: %q", byName)
	}
	term.key("r")
	reversed := hostColumn(term.awaitHead("by name, reversed"))
	slices.Reverse(reversed)
	if !slices.Equal(reversed, byName) {
		t.Errorf("reversed: %q, was %q", reversed, byName)
	}
	term.key("\x1bOS\x1b[<0;1;1Mx") // F4, a mouse, a key that means nothing
	term.key("r")
	term.await("the right way round again", func(lines []string) bool { return strings.HasSuffix(lines[0], "by name") })
	term.key("S")
	term.awaitHead("by rate")
	term.key("q")
	term.restored(nil)
	if !strings.HasPrefix(term.raw(), cli.EnterScreen) {
		t.Errorf("begins with %q", term.raw()[:40])
	}
}

// TestTopFollows wants new numbers, a new size and rows beyond the screen.
func TestTopFollows(t *testing.T) {
	d := publish(t, newHome(fleet(50, 1)))
	term := d.top(80, 24)
	lines := term.await("1-20 of 50", func(lines []string) bool { return strings.Contains(lines[len(lines)-1], "1-20 of 50") })
	if len(lines) != 24 {
		t.Errorf("%d lines on a screen of 24", len(lines))
	}
	term.key(" ")
	term.await("21-40 of 50", func(lines []string) bool { return strings.Contains(lines[len(lines)-1], "21-40 of 50") })
	term.key("\x1b[6~\x1b[6~\x1b[A")
	term.await("30-49 of 50", func(lines []string) bool { return strings.Contains(lines[len(lines)-1], "30-49 of 50") })
	term.key("g")
	term.await("the top", func(lines []string) bool { return strings.Contains(lines[len(lines)-1], "1-20 of 50") })

	d.home.set(fleet(3, 600))
	term.awaitHead("3 hosts")
	for _, size := range [][2]int{{40, 10}, {132, 50}, {36, 5}, {20, 2}, {1, 1}, {80, 24}} {
		d.home.set(fleet(60+size[0], 601))
		term.resize(size[0], size[1])
		term.await("a screen of that size", func(lines []string) bool {
			wide := 0
			for _, line := range lines {
				wide = max(wide, cli.Width(line))
			}
			return len(lines) == min(size[1], 60+size[0]+4) && wide == size[0]
		})
	}
	term.key("\x03")
	term.restored(nil)
}

func TestTopEnds(t *testing.T) {
	for name, end := range map[string]func(*terminal){
		"q":       func(term *terminal) { term.key("q") },
		"ctrl-c":  func(term *terminal) { term.key("\x03") },
		"ctrl-d":  func(term *terminal) { term.key("\x04") },
		"SIGTERM": func(term *terminal) { _ = term.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGHUP":  func(term *terminal) { _ = term.cmd.Process.Signal(syscall.SIGHUP) },
		"SIGINT":  func(term *terminal) { _ = term.cmd.Process.Signal(syscall.SIGINT) },
	} {
		t.Run(name, func(t *testing.T) {
			d := publish(t, newHome(family()))
			term := d.top(80, 24)
			term.awaitHead("6 hosts")
			end(term)
			term.restored(nil)
		})
	}
	t.Run("rounds", func(t *testing.T) {
		publish(t, newHome(family())).top(80, 24, "-n", "2").restored(nil)
	})
	t.Run("suspended", func(t *testing.T) {
		// The leader of a session that nobody stands above is not stopped by ^Z; it has to take the screen again.
		term := publish(t, newHome(family())).top(80, 24)
		term.awaitHead("6 hosts")
		term.key("\x1a")
		term.await("back", func([]string) bool { return strings.Count(term.raw(), cli.EnterScreen) == 2 })
		_ = term.cmd.Process.Signal(syscall.SIGSTOP)
		_ = term.cmd.Process.Signal(syscall.SIGCONT)
		term.key("s")
		term.awaitHead("by total")
		term.key("q")
		term.restored(nil)
	})
}

// TestTopOutlivesTheDaemon takes the daemon away, then ubus, and gives them back. Keys work all the time.
func TestTopOutlivesTheDaemon(t *testing.T) {
	d := publish(t, newHome(family()))
	term := d.top(100, 24)
	term.awaitHead("6 hosts")
	foot := func(text string) func([]string) bool {
		return func(lines []string) bool { return strings.Contains(lines[len(lines)-1], text) }
	}
	d.remove()
	lines := term.await("word of the daemon's absence", foot("the daemon is not on ubus"))
	if len(lines) != 10 || !strings.HasPrefix(lines[2], "laptop") {
		t.Errorf("last numbers are gone:\n%s", strings.Join(lines, "\n"))
	}
	term.key("s")
	term.awaitHead("by total")
	d.home.set(fleet(3, 1))
	d.put()
	term.await("well again", foot("q quit"))
	term.awaitHead("3 hosts")

	d.broker.Close()
	term.await("word of ubus' absence", foot("ubus has gone away"))
	term.key("r")
	term.awaitHead("reversed")
	d.listen()
	term.await("well again", foot("q quit"))

	// A daemon that does not answer holds up no key.
	var release sync.Once
	stuck := make(chan struct{})
	t.Cleanup(func() { release.Do(func() { close(stuck) }) })
	d.remove()
	slow := ubus.Object{Path: object.Path, Methods: []ubus.Method{{Name: "stats", Handler: stall(stuck)}}}
	published, err := d.conn.Publish(ctx, slow)
	if err != nil {
		t.Fatal(err)
	}
	d.object = published
	time.Sleep(300 * time.Millisecond) // a round begins
	began := time.Now()
	term.key("sr")
	term.await("sorted by name", func(lines []string) bool { return strings.HasSuffix(lines[0], "by name") })
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("a key took %s", took)
	}
	term.key("q")
	term.restored(nil)
	release.Do(func() { close(stuck) })
}

func TestTopWithoutDaemon(t *testing.T) {
	d := publish(t, newHome(family()))
	d.remove()
	term := d.top(80, 24)
	<-term.ended
	if term.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(term.stderr.String(), "the daemon is not on ubus") || term.raw() != "" {
		t.Errorf("ended with %v, said %q, printed %q", term.status, &term.stderr, term.raw())
	}
}

func TestTopInAPipe(t *testing.T) {
	d := publish(t, newHome(family()))
	out, errs, code := command(t, "top", "-n", "2", "-d", "0.2", "-ubus-socket", d.socket)
	if code != 0 || errs != "" {
		t.Fatalf("ended with %d: %s", code, errs)
	}
	if strings.Contains(out, "\x1b") || strings.Count(out, "Total of 6 hosts") != 2 || !strings.HasPrefix(out, "22:13:20\nHost ") {
		t.Errorf("printed\n%s", out)
	}
	// The daemon goes away for a round and comes back.
	h := newHome(family())
	h.before = func(_ *home, n int) error {
		if n == 1 {
			return ubus.ErrNotFound
		}
		return nil
	}
	path := filepath.Join(t.TempDir(), "out")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := cli.TopPlain(ctx, h, file, file, time.Millisecond, 3); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	if strings.Count(string(text), "Total of 6 hosts") != 2 || strings.Count(string(text), "the daemon is not on ubus") != 1 {
		t.Errorf("printed\n%s", text)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	if err := cli.TopPlain(ctx, h, file, full, time.Millisecond, 3); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("to a full disk: %v", err)
	}
}

// TestTopInTmux shows hostile names in a terminal that somebody else wrote: every row stays one.
func TestTopInTmux(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("no tmux here")
	}
	d := publish(t, newHome(hostileHome()))
	server := filepath.Join(filepath.Dir(d.socket), "tmux")
	tmux := func(args ...string) (string, error) {
		cmd := exec.Command("tmux", append([]string{"-u", "-S", server, "-f", "/dev/null"}, args...)...)
		cmd.Env = append(os.Environ(), asCommand+"=1", "LC_ALL=C.UTF-8", "TERM=xterm-256color")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := tmux("new-session", "-d", "-x", "90", "-y", "40", os.Args[0], "top", "-d", "0.2", "-ubus-socket", d.socket); err != nil {
		t.Fatalf("tmux: %v: %s", err, out)
	}
	t.Cleanup(func() { _, _ = tmux("kill-server") })
	var screen string
	for end := time.Now().Add(20 * time.Second); !strings.Contains(screen, "q quit"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("tmux shows\n%s", screen)
		}
		screen, _ = tmux("capture-pane", "-p")
	}
	lines := strings.Split(strings.TrimRight(screen, "\n"), "\n")
	if len(lines) != len(hostile())+4 {
		t.Fatalf("%d lines for %d hosts:\n%s", len(lines), len(hostile()), screen)
	}
	for i, line := range lines[2 : len(lines)-2] {
		if strings.Count(line, "192.168.1.") != 1 || !strings.HasSuffix(line, "now") && !strings.HasSuffix(line, " s") && !strings.HasSuffix(line, "min") && !strings.HasSuffix(line, "B") {
			t.Errorf("row %d is %q", i, line)
		}
	}
}
