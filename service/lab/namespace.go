// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// Namespace is one network namespace: a host, a router, an internet.
type Namespace struct {
	Name string // for messages and the host name of its Published form, not a name on the machine

	handle *os.File    // keeps the namespace alive
	jobs   chan func() // run on the thread that starts this namespace's processes
}

// Namespace makes a namespace with its loopback up and IPv6's own chatter (router solicitations, duplicate address
// detection) switched off, so that what crosses its devices is what the tests send, and little else.
func (l *Lab) Namespace(name string) (*Namespace, error) {
	n := &Namespace{Name: name, jobs: make(chan func())}
	ready := make(chan error)
	go n.serve(ready)
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("make namespace %s: %w", name, err)
	}
	l.onClose(func() error {
		close(n.jobs)
		return n.handle.Close()
	})
	for key, value := range map[string]string{
		"ipv6/conf/%s/mldv2_unsolicited_report_interval": "1", // ms: said at once, not during a measurement
		"ipv6/conf/%s/accept_dad":                        "0",
		"ipv6/conf/%s/dad_transmits":                     "0",
		"ipv6/conf/%s/accept_ra":                         "0",
		"ipv6/conf/%s/autoconf":                          "0",
		"ipv6/conf/%s/router_solicitations":              "0",
		"ipv6/conf/%s/accept_redirects":                  "0",
		"ipv4/conf/%s/send_redirects":                    "0",
		"ipv4/conf/%s/accept_redirects":                  "0",
		"ipv4/conf/%s/rp_filter":                         "0",
	} {
		for _, scope := range []string{"all", "default"} {
			if err := n.Sysctl(fmt.Sprintf(key, scope), value); err != nil {
				return nil, err
			}
		}
	}
	return n, n.IP("link set lo up")
}

// serve is the thread that made the namespace and starts its processes. Processes ask to be killed when the thread
// that started them ends, so it has to live as long as they shall.
func (n *Namespace) serve(ready chan<- error) {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		ready <- err
		return
	}
	defer home.Close()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		ready <- fmt.Errorf("unshare: %w", err)
		return
	}
	// Should this be the process's main thread, it outlives the goroutine: send it home, or the namespace stays.
	defer func() { _ = unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) }()
	if n.handle, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		ready <- err
		return
	}
	ready <- nil
	for job := range n.jobs {
		job()
	}
}

// Do runs f on a thread inside the namespace and waits for it. f must not leave goroutines that rely on being there;
// sockets it opens do stay in the namespace. A panic in f comes back as an error.
func (n *Namespace) Do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // unlocked only when the thread is back home; otherwise it ends with this goroutine
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		if err := unix.Setns(int(n.handle.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter namespace %s: %w", n.Name, err)
			return
		}
		err = protect(f)
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

func protect(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return f()
}

// Path is a path by which this process's children and tools can open the namespace while the lab lives.
func (n *Namespace) Path() string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.handle.Fd())
}

// Publish gives the namespace a name for `ip netns exec` until the lab closes.
func (l *Lab) Publish(n *Namespace, name string) error {
	const folder = "/run/netns"
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("publish namespace %s: %w", name, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
	if err != nil {
		return fmt.Errorf("publish namespace %s: %w", name, err)
	}
	f.Close()
	if err := unix.Mount(n.Path(), path, "none", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("publish namespace %s: %w", name, errors.Join(err, os.Remove(path)))
	}
	l.onClose(func() error {
		return errors.Join(unix.Unmount(path, unix.MNT_DETACH), os.Remove(path))
	})
	return nil
}

// Sysctl writes a setting below /proc/sys/net, as seen inside the namespace.
func (n *Namespace) Sysctl(key, value string) error {
	return n.Do(func() error {
		if err := os.WriteFile(filepath.Join("/proc/sys/net", key), []byte(value), 0); err != nil {
			return fmt.Errorf("%s: write sysctl: %w", n.Name, err)
		}
		return nil
	})
}

// read returns a file as seen inside the namespace; below /proc use thread-self, not self.
func (n *Namespace) read(path string) (string, error) {
	var text []byte
	err := n.Do(func() (err error) {
		text, err = os.ReadFile(path)
		return err
	})
	return strings.TrimSpace(string(text)), err
}
