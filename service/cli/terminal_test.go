// SPDX-License-Identifier: GPL-2.0-only

package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/cli"
)

// terminal is a pseudo-terminal with a command in it.
type terminal struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	before unix.Termios
	cmd    *exec.Cmd
	ended  chan struct{}
	status error
	stderr bytes.Buffer

	mu  sync.Mutex
	out bytes.Buffer
}

// openTerminal runs the command on a terminal of that size.
func openTerminal(t *testing.T, wide, high int, env []string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	var number uint32
	fail := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	fail(unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	fail(err)
	number = uint32(n)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	fail(err)
	term := &terminal{t: t, master: master, slave: slave, ended: make(chan struct{})}
	term.resize(wide, high)
	before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	fail(err)
	term.before = *before
	term.cmd = exec.Command(os.Args[0], args...)
	term.cmd.Env = append(append(os.Environ(), asCommand+"=1", "TERM=xterm"), env...)
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = slave, slave, &term.stderr
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	fail(term.cmd.Start())
	go func() {
		var buf [4096]byte
		for {
			n, err := master.Read(buf[:])
			term.mu.Lock()
			term.out.Write(buf[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() {
		term.status = term.cmd.Wait()
		close(term.ended)
	}()
	t.Cleanup(func() {
		_ = term.cmd.Process.Kill()
		<-term.ended
		slave.Close()
		master.Close()
	})
	return term
}

func (term *terminal) resize(wide, high int) {
	term.t.Helper()
	size := &unix.Winsize{Col: uint16(wide), Row: uint16(high)}
	if err := unix.IoctlSetWinsize(int(term.master.Fd()), unix.TIOCSWINSZ, size); err != nil {
		term.t.Fatal(err)
	}
}

func (term *terminal) raw() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.out.String()
}

var style = regexp.MustCompile("\x1b\\[[0-9;]*[mK]")

// lines are what the screen shows: the last picture that is whole.
func (term *terminal) lines() []string {
	text := term.raw()
	end := strings.LastIndex(text, "\x1b[J")
	if end < 0 {
		return nil
	}
	text = text[:end]
	return strings.Split(style.ReplaceAllString(text[strings.LastIndex(text, "\x1b[H")+3:], ""), "\r\n")
}

func (term *terminal) key(s string) {
	term.t.Helper()
	if _, err := io.WriteString(term.master, s); err != nil {
		term.t.Fatal(err)
	}
}

// await waits for a picture that will do.
func (term *terminal) await(what string, ok func(lines []string) bool) []string {
	term.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if lines := term.lines(); lines != nil && ok(lines) {
			return lines
		}
	}
	term.t.Fatalf("never %s; the screen shows\n%s\nstderr: %s", what, strings.Join(term.lines(), "\n"), &term.stderr)
	return nil
}

func (term *terminal) awaitHead(text string) []string {
	term.t.Helper()
	return term.await("at the head: "+text, func(lines []string) bool { return strings.Contains(lines[0], text) })
}

// restored waits for the end and wants the terminal as it was.
func (term *terminal) restored(status error) {
	term.t.Helper()
	select {
	case <-term.ended:
	case <-time.After(20 * time.Second):
		term.t.Fatal("top does not end")
	}
	if fmt.Sprint(term.status) != fmt.Sprint(status) {
		term.t.Errorf("ended with %v, want %v; stderr: %s", term.status, status, &term.stderr)
	}
	after, err := unix.IoctlGetTermios(int(term.slave.Fd()), unix.TCGETS)
	if err != nil {
		term.t.Fatal(err)
	}
	if *after != term.before {
		term.t.Errorf("terminal is set to %+v, was %+v", *after, term.before)
	}
	for end := time.Now().Add(5 * time.Second); !strings.HasSuffix(term.raw(), cli.LeaveScreen); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			term.t.Fatalf("alternate screen is not left: %q", term.raw()[max(0, len(term.raw())-60):])
		}
	}
	if in, out := strings.Count(term.raw(), cli.EnterScreen), strings.Count(term.raw(), cli.LeaveScreen); in != out {
		term.t.Errorf("screen entered %d times and left %d", in, out)
	}
}

// command runs the command without a terminal.
func command(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
