// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// folderPrefix begins the name of every lab's folder; the process id follows, so that Open can tell a dead run's.
const folderPrefix = "mezoura-lab-"

// Lab owns what one laboratory consists of.
type Lab struct {
	folder string

	mu       sync.Mutex
	closers  []func() error
	closed   bool
	closeErr error
}

// Open makes an empty lab. It needs root.
func Open() (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("open lab: network namespaces need root")
	}
	sweep(os.TempDir())
	folder, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", folderPrefix, os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("open lab: %w", err)
	}
	// A daemon under test may run as another user, and has to reach its files.
	if err := os.Chmod(folder, 0o755); err != nil {
		return nil, fmt.Errorf("open lab: %w", err)
	}
	l := &Lab{folder: folder}
	l.onClose(func() error { return os.RemoveAll(folder) })
	return l, nil
}

// sweep removes the folders of labs whose process no longer lives.
func sweep(temp string) {
	folders, _ := filepath.Glob(filepath.Join(temp, folderPrefix+"*"))
	for _, folder := range folders {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(folder), folderPrefix), "-")
		if n, err := strconv.Atoi(pid); err != nil || n == os.Getpid() || syscall.Kill(n, 0) == nil {
			continue
		}
		for _, mount := range mountsBelow(folder) {
			_ = unix.Unmount(mount, unix.MNT_DETACH)
		}
		_ = os.RemoveAll(folder)
	}
}

// mountsBelow lists the mount points below a folder, innermost first.
func mountsBelow(folder string) []string {
	table, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil
	}
	var found []string
	for _, line := range strings.Split(string(table), "\n") {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], folder+"/") {
			found = append([]string{f[1]}, found...)
		}
	}
	return found
}

// Folder returns the path of a folder of the lab's own, made on first use.
func (l *Lab) Folder(name string) (string, error) {
	path := filepath.Join(l.folder, name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	return path, nil
}

// Mount mounts a file system of the lab's own and returns its path.
func (l *Lab) Mount(name, kind, options string) (string, error) {
	path, err := l.Folder(name)
	if err != nil {
		return "", err
	}
	if err := unix.Mount(kind, path, kind, 0, options); err != nil {
		return "", fmt.Errorf("mount %s (%s) on %s: %w", kind, options, path, err)
	}
	l.onClose(func() error { return unix.Unmount(path, unix.MNT_DETACH) })
	return path, nil
}

// onClose registers what Close does, last registered first. On a closed lab it is done at once.
func (l *Lab) onClose(f func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		l.closeErr = errors.Join(l.closeErr, f())
		return
	}
	l.closers = append(l.closers, f)
}

// Close ends the lab's processes and removes everything the lab made. Calling it again returns the same error.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return l.closeErr
	}
	l.closed = true
	for i := len(l.closers) - 1; i >= 0; i-- {
		l.closeErr = errors.Join(l.closeErr, l.closers[i]())
	}
	l.closers = nil
	return l.closeErr
}
