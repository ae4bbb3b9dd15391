// SPDX-License-Identifier: GPL-2.0-only

package mezoura_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// router is a root file system with busybox, the files of the package, and
// stand-ins for what of OpenWrt they need.
type router struct {
	t    *testing.T
	root string
}

// newRouter has everything of a usual router: ujail, bpffs, the user mezoura.
func newRouter(t *testing.T) router {
	t.Helper()
	if os.Getuid() != 0 {
		unable(t, "changes its root and the owners of files: needs root")
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		unable(t, "%v: install busybox-static", err)
	}
	r := router{t, t.TempDir()}
	for _, dir := range []string{"bin", "sbin", "dev", "proc", "tmp/run/ubus", "usr/bin", "etc/config", "etc/init.d", "lib/functions", "sys/fs/bpf"} {
		if err := os.MkdirAll(filepath.Join(r.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("tmp", filepath.Join(r.root, "var")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(r.root, "tmp"), 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	r.copy(busybox, "bin/busybox", 0o755)
	for _, applet := range strings.Fields("ash awk cat chgrp chmod chown cmp cp echo grep id kill ln ls md5sum mkdir mv printf rm rmdir sed sh sleep sort true") {
		if err := os.Symlink("/bin/busybox", filepath.Join(r.root, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
	r.copy("files/mezoura.init", "etc/init.d/mezoura", 0o755)
	r.copy("files/mezoura.defaults", "etc/defaults", 0o755)
	r.copy("files/mezoura.config", "etc/config/mezoura", 0o644)
	r.copy("testdata/rc.common", "etc/rc.common", 0o755)
	r.copy("testdata/functions.sh", "lib/functions.sh", 0o644)
	r.copy("testdata/procd.sh", "lib/functions/procd.sh", 0o644)
	r.write("etc/capabilities/mezoura.json", "{}")
	r.write("etc/capabilities/mezoura-perfmon.json", "{}")
	r.kernel("6.18.3")
	r.write("etc/passwd", "root:x:0:0:root:/root:/bin/ash\nmezoura:x:4711:4712::/var/run/mezoura:/bin/false\n")
	r.write("etc/group", "root:x:0:\nmezoura:x:4712:\n")
	r.write("etc/config/dhcp", "config dnsmasq\n\toption leasefile '/tmp/dhcp.leases'\n")
	r.write("etc/config/firewall", "config defaults\n")
	r.write("etc/hosts", "127.0.0.1 localhost\n")
	r.write("proc/mounts", "bpffs /sys/fs/bpf bpf rw 0 0\n")
	r.write("dev/null", "")
	r.script("sbin/ujail", "exit 0")
	// Whether the daemon still ran when it was called is part of the record.
	r.script("usr/bin/mezoura", `
pid="$(cat /var/run/mezoura.pid 2> /dev/null)"
[ -n "$pid" ] && kill -0 "$pid" 2> /dev/null && echo "mezoura $* (beside the daemon)" >> /log || echo "mezoura $*" >> /log`)
	return r
}

func (r router) copy(from, to string, mode fs.FileMode) {
	r.t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.root, to), data, mode); err != nil {
		r.t.Fatal(err)
	}
}

func (r router) write(name, text string) {
	r.t.Helper()
	name = filepath.Join(r.root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r router) script(name, text string) {
	r.t.Helper()
	r.write(name, "#!/bin/sh\n"+text+"\n")
	if err := os.Chmod(filepath.Join(r.root, name), 0o755); err != nil {
		r.t.Fatal(err)
	}
}

// kernel is what the kernel calls itself.
func (r router) kernel(release string) {
	r.t.Helper()
	r.write("proc/sys/kernel/osrelease", release+"\n")
}

func (r router) remove(name string) {
	r.t.Helper()
	if err := os.RemoveAll(filepath.Join(r.root, name)); err != nil {
		r.t.Fatal(err)
	}
}

func (r router) read(name string) string {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.root, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.t.Fatal(err)
	}
	return string(data)
}

// run has busybox ash run a script on the router, as process 1 of its own: what
// it leaves running ends with it. It returns what was recorded meanwhile.
func (r router) run(script string) []string {
	r.t.Helper()
	r.write("log", "")
	cmd := exec.Command("/bin/ash", "-c", script)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/bin:/sbin:/usr/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: r.root, Cloneflags: syscall.CLONE_NEWPID}
	if output, err := cmd.CombinedOutput(); err != nil || len(output) > 0 {
		r.t.Errorf("%s: error %v\n%s", script, err, output)
	}
	return strings.Split(strings.TrimSuffix(r.read("log"), "\n"), "\n")
}

func (r router) wantLog(script string, want ...string) {
	r.t.Helper()
	got := r.run(script)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		r.t.Errorf("%s\ngot\n\t%s\nwant\n\t%s", script, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// wantFile fails unless the file has that owner and mode.
func (r router) wantFile(name string, uid, gid uint32, mode fs.FileMode) {
	r.t.Helper()
	info, err := os.Lstat(filepath.Join(r.root, name))
	if err != nil {
		r.t.Error(err)
		return
	}
	s := info.Sys().(*syscall.Stat_t)
	if s.Uid != uid || s.Gid != gid || info.Mode()&(fs.ModePerm|fs.ModeSticky) != mode {
		r.t.Errorf("%s: %d:%d %v, want %d:%d %v", name, s.Uid, s.Gid, info.Mode(), uid, gid, mode)
	}
}

// unable skips a test that this machine cannot run, or fails it where nothing may
// be skipped.
func unable(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("MEZOURA_REQUIRE_ROOT") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
