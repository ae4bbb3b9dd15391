// SPDX-License-Identifier: GPL-2.0-only

package service

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const lockName = "lock"

// errRunning means that another daemon has the tables.
var errRunning = errors.New("another mezoura is running: end it first, or give this one another -bpffs and -state")

// lock makes sure that there is one daemon for a directory. The kernel lets go of it with the process, however it ends.
func lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, errRunning)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// The file that was locked may be one that a Detach has just removed.
	var ours, there unix.Stat_t
	if unix.Fstat(int(f.Fd()), &ours) != nil || unix.Stat(path, &there) != nil || ours.Ino != there.Ino {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, errRunning)
	}
	return f, nil
}

// bpffs is a directory in bpffs of our own. It may be all of bpffs that there is: in a jail it is mounted by itself, and
// what is above it is an ordinary directory.
func bpffs(dir string) error {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) == nil && uint32(fs.Type) == unix.BPF_FS_MAGIC {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := unix.Statfs(parent, &fs); err != nil {
		return fmt.Errorf("pin tables: %s: %w", parent, err)
	}
	if uint32(fs.Type) != unix.BPF_FS_MAGIC {
		return fmt.Errorf("pin tables: no bpffs at %s: mount -t bpf bpf %s", parent, parent)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("pin tables: %w", err)
	}
	return nil
}
