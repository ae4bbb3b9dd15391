// SPDX-License-Identifier: GPL-2.0-only

// Package mezoura_test runs the scripts of OpenWrt's package under the shell
// OpenWrt has, on a file system of their own.
package mezoura_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	service  = "/etc/init.d/mezoura "
	triggers = "trigger mezoura dhcp firewall"
	detached = "mezoura -detach -state /var/run/mezoura -bpffs /sys/fs/bpf/mezoura"
	acl      = "killall -q -HUP ubusd"
)

func (r router) wantParams(want ...string) {
	r.t.Helper()
	got := "\n" + r.read("procd.new")
	for _, line := range want {
		if !strings.Contains(got, "\n"+line+"\n") {
			r.t.Errorf("no %q in%s", line, got)
		}
	}
}

func TestStart(t *testing.T) {
	r := newRouter(t)
	r.wantLog(service+"start", acl, triggers, "start")
	r.wantParams(
		"command /usr/bin/mezoura -state /var/run/mezoura -bpffs /sys/fs/bpf/mezoura",
		"env GOMEMLIMIT=12MiB GOMAXPROCS=1",
		"file /etc/config/mezoura /etc/config/dhcp /etc/config/firewall",
		"reload_signal HUP", "respawn ", "pidfile /var/run/mezoura.pid", "stdout 1", "stderr 1", "limits memlock=unlimited",
		"user mezoura", "group mezoura", "capabilities /etc/capabilities/mezoura.json", "no_new_privs 1",
		"jail mezoura procfs requirejail",
		"mount /etc/ethers /etc/hosts /sys/devices/system/cpu /var/run/mezoura.config:/etc/config",
		"mount_rw /sys/fs/bpf/mezoura /tmp /var/run/mezoura /var/run/ubus",
	)
	r.wantFile("var/run/mezoura", 4711, 4712, 0o750)
	r.wantFile("sys/fs/bpf/mezoura", 4711, 4712, 0o700)
	r.wantFile("var/run/mezoura.config", 0, 4712, 0o750)
	for _, name := range []string{"mezoura", "dhcp", "firewall"} {
		r.wantFile("var/run/mezoura.config/"+name, 0, 4712, 0o640)
		if r.read("var/run/mezoura.config/"+name) != r.read("etc/config/"+name) {
			t.Errorf("the copy of %s differs", name)
		}
	}
	r.wantFile("var/run/mezoura.launched", 0, 0, 0o644)
}

// Before 6.18 the verifier refuses the classifier of whoever has not CAP_PERFMON.
func TestRightsByKernel(t *testing.T) {
	for kernel, want := range map[string]string{
		"5.10.176": "mezoura-perfmon", "5.15.167": "mezoura-perfmon", "6.1.0-50": "mezoura-perfmon", "6.6.73": "mezoura-perfmon",
		"6.12.40": "mezoura-perfmon", "6.17.1": "mezoura-perfmon", "6.18.0": "mezoura", "6.20.1": "mezoura", "7.2.13": "mezoura", "10.0.1": "mezoura",
	} {
		r := newRouter(t)
		r.kernel(kernel)
		r.run(service + "start")
		r.wantParams("capabilities /etc/capabilities/" + want + ".json")
	}
}

func TestStartOfRunning(t *testing.T) {
	r := newRouter(t)
	r.wantLog(service+"start; : > /log;"+service+"start", triggers)
}

func TestRestartKeepsCounting(t *testing.T) {
	r := newRouter(t)
	r.wantLog(service+"start; : > /log;"+service+"restart", "kill mezoura", triggers, "start")
}

func TestStopDetaches(t *testing.T) {
	r := newRouter(t)
	// After the daemon has ended, not beside it.
	r.wantLog(service+"start; : > /log;"+service+"stop", "kill mezoura", detached)
	if _, err := os.Stat(filepath.Join(r.root, "sys/fs/bpf/mezoura")); err == nil {
		t.Error("the folder of the pins is left")
	}
	r.wantLog(service+"stop", "kill mezoura")
}

func TestUpgradeAndShutdownKeepCounting(t *testing.T) {
	r := newRouter(t)
	r.wantLog(service+"start; : > /log; PKG_UPGRADE=1 "+service+"stop", "kill mezoura")
	r.wantLog(service+"start; : > /log;"+service+"shutdown", "kill mezoura")
}

func TestReload(t *testing.T) {
	r := newRouter(t)
	r.wantLog(service+"start; : > /log; echo >> /etc/config/dhcp; "+service+"reload", triggers, "signal HUP")
	if r.read("var/run/mezoura.config/dhcp") != r.read("etc/config/dhcp") {
		t.Error("the daemon still sees the old file")
	}
	r.wantLog("rm /etc/config/dhcp; "+service+"reload", triggers, "start")
	if _, err := os.Stat(filepath.Join(r.root, "var/run/mezoura.config/dhcp")); err == nil {
		t.Error("the daemon still sees a file that is gone")
	}
}

// What procd would not do for a service with a reload_signal.
func TestReloadThatNeedsAnotherProcess(t *testing.T) {
	for name, change := range map[string]string{
		"memory limit":  "option memory_limit 32",
		"processors":    "option procs 2",
		"another file":  "list textfile /mnt/numbers.prom",
		"another lease": "option leases /mnt/dhcp.leases",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t)
			r.write("mnt/.keep", "")
			r.wantLog(service+"start; : > /log; sed -i \"s|^config mezoura.*|&\\n"+change+"|\" /etc/config/mezoura; "+service+"reload",
				acl, "kill mezoura", triggers, "start")
		})
	}
	for name, change := range map[string]string{
		"another binary":   "echo >> /usr/bin/mezoura",
		"hosts replaced":   "cp /etc/hosts /etc/hosts.new; mv /etc/hosts.new /etc/hosts",
		"ujail taken away": "rm /sbin/ujail",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t)
			log := strings.Join(r.run(service+"start; : > /log; "+change+"; "+service+"start"), "\n")
			if !strings.HasSuffix(log, strings.Join([]string{acl, "kill mezoura", triggers, "start"}, "\n")) {
				t.Error(log)
			}
		})
	}
}

func TestDisabled(t *testing.T) {
	r := newRouter(t)
	disable := "sed -i \"s/enabled '1'/enabled '0'/\" /etc/config/mezoura; "
	log := "log: disabled in /etc/config/mezoura"
	r.wantLog(disable+service+"boot", log, triggers)
	r.wantLog("sed -i \"s/enabled '0'/enabled '1'/\" /etc/config/mezoura; "+service+"start; : > /log; "+disable+service+"reload",
		log, triggers, "no instance left", detached)
}

func TestBadConfiguration(t *testing.T) {
	r := newRouter(t)
	r.write("etc/config/mezoura", "config mezoura 'main'\n\toption memory_limit '12; reboot'\n\toption procs '1000'\n")
	r.wantLog(service+"start",
		"log: option memory_limit '12; reboot': want a number from 4 to 4096; using 12",
		"log: option procs '1000': want a number from 1 to 256; using 1",
		acl, triggers, "start")
	r.wantParams("env GOMEMLIMIT=12MiB GOMAXPROCS=1")

	// The daemon starts, so that it can say what is wrong and where.
	r = newRouter(t)
	r.write("etc/config/mezoura", "config mezoura 'main\n")
	cmd := service + "start 2> /stderr"
	r.wantLog(cmd, "log: cannot read /etc/config/mezoura; the daemon says which line", acl, triggers, "start")
}

func TestWithoutJail(t *testing.T) {
	for name, missing := range map[string]string{
		"ujail": "sbin/ujail", "capabilities": "etc/capabilities",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t)
			r.remove(missing)
			r.wantLog(service+"start", "log: no ujail on this system: running as root", acl, triggers, "start")
			r.wantNoJail()
		})
	}
	t.Run("user", func(t *testing.T) {
		r := newRouter(t)
		r.write("etc/passwd", "root:x:0:0:root:/root:/bin/ash\n")
		r.wantLog(service+"start", "log: no user mezoura on this system: running as root", acl, triggers, "start")
		r.wantNoJail()
	})
}

// It is tried before, with the daemon itself, and not again while both are the same.
func TestJailThatCannot(t *testing.T) {
	try := "ujail -t 5 -n mezoura -U mezoura -G mezoura -C /etc/capabilities/mezoura.json -c -p -E -- /usr/bin/mezoura version"
	r := newRouter(t)
	r.script("sbin/ujail", "echo \"ujail $*\" >> /log; exit 255")
	r.wantLog(service+"start", try, "log: ujail cannot run the daemon: running as root", acl, triggers, "start")
	r.wantNoJail()
	r.script("sbin/ujail", "echo \"ujail $*\" >> /log")
	r.wantLog(service+"start", try, acl, triggers, "start")
	r.wantParams("user mezoura", "jail mezoura procfs requirejail")
	r.wantLog(service+"start; : > /log;"+service+"restart", "kill mezoura", triggers, "start")
	r.wantLog(service+"start; : > /log; cp /usr/bin/mezoura /usr/bin/new; mv /usr/bin/new /usr/bin/mezoura;"+service+"start",
		try, acl, "kill mezoura", triggers, "start")
}

func (r router) wantNoJail() {
	r.t.Helper()
	if params := r.read("procd.new"); strings.Contains(params, "user") || strings.Contains(params, "jail") {
		r.t.Errorf("half a jail:\n%s", params)
	}
	r.wantFile("var/run/mezoura", 0, 0, 0o750)
}

// What the daemon left as root, it must be able to change as a user.
func TestTakesOverFiles(t *testing.T) {
	r := newRouter(t)
	r.write("tmp/prom_c", "old")
	r.write("var/run/mezoura/book", "old")
	r.write("sys/fs/bpf/mezoura/table", "old")
	r.write("var/prometheus/other.prom", "somebody's")
	r.run(service + "start")
	r.wantFile("tmp/prom_c", 4711, 4712, 0o644)
	r.wantFile("var/run/mezoura/book", 4711, 4712, 0o644)
	r.wantFile("sys/fs/bpf/mezoura/table", 4711, 4712, 0o644)
	r.wantFile("var/prometheus", 0, 4712, 0o775|fs.ModeSticky)
	r.wantFile("var/prometheus/other.prom", 0, 0, 0o644)
	r.wantParams("mount_rw /sys/fs/bpf/mezoura /tmp /var/prometheus /var/run/mezoura /var/run/ubus")
}

// A daemon that was broken into leaves links for root to follow.
func TestFollowsNoLink(t *testing.T) {
	r := newRouter(t)
	r.run(service + "start")
	r.run("ln -s /etc/passwd /var/run/mezoura/book; rm -f /tmp/prom_c; ln -s /etc/passwd /tmp/prom_c; " + service + "restart")
	r.wantFile("etc/passwd", 0, 0, 0o644)
	r.wantFile("var/run/mezoura.launched", 0, 0, 0o644)
}

func TestMountsBPFFS(t *testing.T) {
	r := newRouter(t)
	r.write("proc/mounts", "")
	r.wantLog(service+"start", "mount -t bpf bpffs /sys/fs/bpf", acl, triggers, "start")
}

func TestShellcheck(t *testing.T) {
	tool, err := exec.LookPath("shellcheck")
	if err != nil {
		unable(t, "%v: install shellcheck", err)
	}
	scripts, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	scripts = append(scripts, "files/mezoura.init", "files/mezoura.defaults", "test.sh")
	if output, err := exec.Command(tool, scripts...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}
