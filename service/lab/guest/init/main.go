// SPDX-License-Identifier: GPL-2.0-only

// Command init is process 1 of a guest: it makes the file systems, loads the modules, runs the command it finds in
// /command, says how that ended, and switches the machine off.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "init: runs as process 1 of a guest only")
		os.Exit(2)
	}
	code, err := run()
	if err != nil {
		fmt.Println("guest:", err)
	}
	fmt.Printf("guest: command ended: %d\n", code)
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func run() (int, error) {
	if err := mount(); err != nil {
		return 125, err
	}
	if err := load(); err != nil {
		return 125, err
	}
	command, err := lines("/command")
	if err != nil {
		return 125, err
	}
	environment, err := lines("/environment")
	if err != nil {
		return 125, err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "TMPDIR=/tmp"}, environment...)
	cmd.Dir = "/tmp"
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	err = cmd.Run()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return failed.ExitCode(), nil
	}
	if err != nil {
		return 125, err
	}
	return 0, nil
}

func mount() error {
	for _, m := range []struct{ kind, path string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}, {"tmpfs", "/run"}, {"bpf", "/sys/fs/bpf"},
	} {
		if err := unix.Mount(m.kind, m.path, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.path, err)
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(to, filepath.Join("/dev", name)); err != nil {
			return err
		}
	}
	// Kernels below 5.11 charge BPF maps to this limit.
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	return unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unlimited)
}

func load() error {
	names, err := lines("/modules/list")
	if err != nil {
		return err
	}
	for _, name := range names {
		module, err := os.ReadFile(filepath.Join("/modules", name))
		if err != nil {
			return err
		}
		if err := unix.InitModule(module, ""); err != nil && err != unix.EEXIST {
			fmt.Printf("guest: load module %s: %v\n", name, err)
		}
	}
	return nil
}

// lines reads a list; an empty file is an empty list.
func lines(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return nil, err
	}
	return strings.Split(string(text), "\n"), nil
}
