// SPDX-License-Identifier: GPL-2.0-only

// Command demo shows mezoura at work on real packets: it builds a home of network namespaces (a router with two LAN
// hosts behind a bridge, and an internet), runs the daemon in the router, sends TCP and UDP both ways over IPv4 and
// IPv6, and holds what was counted against what was sent. It exits with 1 if they differ.
//
// With -keep everything stays up afterwards, with a little traffic, for a look around; the last lines say how to look
// and how to end it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	binary := flag.String("binary", "build/mezoura", "the daemon")
	keep := flag.Bool("keep", false, "leave it running for a look")
	flag.Parse()
	code, err := run(*binary, *keep)
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	os.Exit(code)
}

// keeper in the environment marks the process that stays; it reports its exit code on descriptor 3.
const keeper = "MEZOURA_DEMO_KEEPER"

func run(binary string, keep bool) (int, error) {
	if os.Geteuid() != 0 {
		return 2, fmt.Errorf("network namespaces need root: sudo make demo")
	}
	if _, err := os.Stat(binary); err != nil {
		return 2, fmt.Errorf("no daemon to show (%w): make build", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch {
	case os.Getenv(keeper) != "":
		return stay(ctx, binary)
	case keep:
		return leave(ctx)
	}
	d, err := open(binary)
	if err != nil {
		return 1, err
	}
	defer d.close()
	return d.show(ctx)
}

// leave runs the demo in a process of its own and returns when that has shown everything.
func leave(ctx context.Context) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return 1, err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), keeper+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{write}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // what ends the terminal does not end it
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	write.Close()
	// Until it has shown everything, an interrupt here is meant for it.
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })()
	code := make([]byte, 1)
	if _, err := io.ReadFull(read, code); err != nil {
		return 1, fmt.Errorf("it ended by itself: %w", cmd.Wait())
	}
	return int(code[0]), nil
}

// stay is the process that leave starts.
func stay(ctx context.Context, binary string) (int, error) {
	d, err := open(binary)
	if err != nil {
		return 1, err
	}
	defer d.close()
	code, err := d.show(ctx)
	if err != nil {
		return code, err
	}
	if err := d.publish(); err != nil {
		return 1, err
	}
	d.explain()
	quiet, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 1, err
	}
	for _, fd := range []int{1, 2} {
		if err := syscall.Dup3(int(quiet.Fd()), fd, 0); err != nil {
			return 1, err
		}
	}
	report := os.NewFile(3, "report")
	if _, err := report.Write([]byte{byte(code)}); err != nil {
		return 1, err
	}
	report.Close()
	return code, d.trickle(ctx)
}
