// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Setup is how a daemon is run: everything it keeps is below one folder of the lab, so that several labs, and a real
// mezoura beside them, do not meet.
type Setup struct {
	Binary    string
	Namespace *Namespace
	Args      []string // beside those that say where things are; for the daemon's networks see Home.Flags
	Env       []string // added to this process's environment
	Interval  time.Duration

	State, BPFFS, Textfile, Config, Ubus string // paths; the socket of the embedded broker
	Process                              *syscall.SysProcAttr
	Wrapper                              []string // a command that runs the daemon, such as setpriv
}

// Setup prepares a daemon for a namespace: folders, a bpffs of its own, an empty /etc/config.
func (l *Lab) Setup(binary string, n *Namespace, args ...string) (*Setup, error) {
	folder, err := os.MkdirTemp(l.folder, n.Name+"-")
	if err != nil {
		return nil, fmt.Errorf("set up daemon: %w", err)
	}
	if err := os.Chmod(folder, 0o755); err != nil {
		return nil, fmt.Errorf("set up daemon: %w", err)
	}
	name := filepath.Base(folder)
	bpffs, err := l.Mount(name+"/bpf", "bpf", "mode=0700")
	if err != nil {
		return nil, err
	}
	s := &Setup{Binary: binary, Namespace: n, Args: args, Interval: time.Second,
		State: filepath.Join(folder, "state"), BPFFS: filepath.Join(bpffs, "mezoura"),
		Textfile: filepath.Join(folder, "prom_c"), Config: filepath.Join(folder, "config"), Ubus: filepath.Join(folder, "ubus.sock")}
	if err := os.Mkdir(s.Config, 0o755); err != nil {
		return nil, fmt.Errorf("set up daemon: %w", err)
	}
	return s, nil
}

// Port is where every daemon of a lab serves its metrics: each has a network namespace to itself.
const Port = 9999

// places are the flags that say where the daemon's things are.
func (s *Setup) places() []string {
	return []string{"-state", s.State, "-bpffs", s.BPFFS, "-config", s.Config,
		"-ubus-embedded", "-ubus-socket", s.Ubus}
}

func (s *Setup) command(args ...string) *exec.Cmd {
	line := append(append(append([]string{}, s.Wrapper...), s.Binary), args...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = append(os.Environ(), s.Env...)
	if s.Process != nil {
		attributes := *s.Process
		cmd.SysProcAttr = &attributes
	}
	return cmd
}

// Daemon is a running mezoura.
type Daemon struct {
	Setup *Setup

	cmd    *exec.Cmd
	exited chan struct{}
	status error // of the exited process

	mu    sync.Mutex
	lines []string
}

// Start starts the daemon; Ready waits until it counts.
func (l *Lab) Start(s *Setup) (*Daemon, error) {
	seconds := strconv.Itoa(max(1, int(s.Interval/time.Second)))
	args := append([]string{"-e", "-p", strconv.Itoa(Port), "-t", seconds, "-textfile", s.Textfile}, s.places()...)
	d := &Daemon{Setup: s, cmd: s.command(append(args, s.Args...)...), exited: make(chan struct{})}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start daemon: %w", err)
	}
	d.cmd.Stdout, d.cmd.Stderr = write, write
	err = s.Namespace.Start(d.cmd)
	write.Close()
	if err != nil {
		read.Close()
		return nil, fmt.Errorf("start daemon: %w", err)
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		d.listen(read)
	}()
	go func() {
		status := d.cmd.Wait()
		<-heard
		d.status = status
		close(d.exited)
	}()
	l.onClose(func() error { d.Kill(); return nil })
	return d, nil
}

func (d *Daemon) listen(from io.ReadCloser) {
	defer from.Close()
	scanner := bufio.NewScanner(from)
	for scanner.Scan() {
		d.mu.Lock()
		d.lines = append(d.lines, scanner.Text())
		d.mu.Unlock()
	}
}

// Output returns the lines the daemon has written so far.
func (d *Daemon) Output() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.lines...)
}

// PID is the daemon's process id.
func (d *Daemon) PID() int { return d.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (d *Daemon) Exited() <-chan struct{} { return d.exited }

// Kill ends the process as the out-of-memory killer would, and waits for it.
func (d *Daemon) Kill() {
	_ = d.cmd.Process.Signal(syscall.SIGKILL)
	<-d.exited
}

// stopTime bounds how long a daemon may take to end in good order.
const stopTime = 30 * time.Second

// Terminate asks the process to end, and returns what it ended with.
func (d *Daemon) Terminate() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("terminate daemon: %w", err)
	}
	return d.Wait(stopTime)
}

// Wait waits for the process to end by itself, and returns what it ended with.
func (d *Daemon) Wait(limit time.Duration) error {
	select {
	case <-d.exited:
		return d.status
	case <-time.After(limit):
		return fmt.Errorf("daemon still runs after %s", limit)
	}
}

// Signal sends the process a signal.
func (d *Daemon) Signal(s syscall.Signal) error { return d.cmd.Process.Signal(s) }

// ExitCode tells how an ended process ended; -1 while it runs or after a signal.
func (d *Daemon) ExitCode() int {
	select {
	case <-d.exited:
		return d.cmd.ProcessState.ExitCode()
	default:
		return -1
	}
}

// Ready waits until the daemon is attached to every device named.
func (d *Daemon) Ready(ctx context.Context, devices ...string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		report, err := d.Scrape(ctx)
		if err == nil {
			if err = report.AttachedTo(devices); err == nil {
				return nil
			}
		}
		select {
		case <-d.exited:
			return fmt.Errorf("daemon ended (%v): %s", d.status, strings.Join(d.Output(), "; "))
		case <-ctx.Done():
			return fmt.Errorf("daemon not ready: %w; it says: %s", err, strings.Join(d.Output(), "; "))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Ask runs a subcommand that asks the running daemon over ubus, such as stats, and returns what it printed.
func (s *Setup) Ask(subcommand string, args ...string) (string, error) {
	return s.Invoke(append([]string{subcommand, "-ubus-socket", s.Ubus}, args...)...)
}

// Invoke runs the daemon's binary to its end, and returns what it printed.
func (s *Setup) Invoke(args ...string) (string, error) {
	cmd := s.command(args...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := s.Namespace.Start(cmd); err != nil {
		return "", err
	}
	timer := time.AfterFunc(commandTime, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Wait(); err != nil {
		return out.String(), &CommandError{Namespace: s.Namespace.Name, Command: strings.Join(cmd.Args, " "), Stderr: strings.TrimSpace(out.String()), Err: err}
	}
	return out.String(), nil
}

// Detach runs `mezoura -detach`.
func (s *Setup) Detach() error {
	_, err := s.Invoke(append([]string{"-detach"}, s.places()...)...)
	return err
}

// Memory is the process's resident memory in bytes, now and at most.
func (d *Daemon) Memory() (now, peak int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.PID()))
	if err != nil {
		return 0, 0, fmt.Errorf("read memory: %w", err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		value, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "VmRSS:":
			now = value << 10
		case "VmHWM:":
			peak = value << 10
		}
	}
	if now == 0 {
		return 0, 0, errors.New("read memory: the process is gone")
	}
	return now, peak, nil
}
