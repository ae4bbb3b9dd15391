// SPDX-License-Identifier: GPL-2.0-only

package mezoura_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// shell is a shell on a router with OpenWrt's own procd and ujail.
type shell struct {
	t     *testing.T
	home  *lab.Home
	in    io.Writer
	out   *bufio.Reader
	setup *lab.Setup // for scraping
}

func newShell(t *testing.T) *shell {
	t.Helper()
	if os.Geteuid() != 0 {
		unable(t, "makes namespaces: needs root")
	}
	tree := openwrtTree(t)
	for _, tool := range []string{"procd", "ujail", "ubusd", "ubus", "uci", "jshn", "busybox"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("not tried with OpenWrt's procd: %v", err)
		}
	}
	l, err := lab.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &shell{t: t}
	if s.home, err = l.Home(2); err != nil {
		t.Fatal(err)
	}
	s.setup = &lab.Setup{Namespace: s.home.Router.Namespace}
	files, err := filepath.Abs("files")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private",
		"sh", "testdata/openwrt.sh", t.TempDir(), tree, files, daemonBinary(t))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = write, os.Stderr
	err = s.home.Router.Namespace.Start(cmd)
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		read.Close()
	})
	s.in, s.out = in, bufio.NewReader(read)
	return s
}

// run has the router run a script, and returns what that said and ended with.
func (s *shell) run(script string) (string, string) {
	s.t.Helper()
	if _, err := fmt.Fprintf(s.in, "(%s\n) < /dev/null 2>&1\necho; echo \"=END= $?\"\n", script); err != nil {
		s.t.Fatal(err)
	}
	var text strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			s.t.Fatalf("%s: %v\n%s", script, err, &text)
		}
		if code, ok := strings.CutPrefix(line, "=END= "); ok {
			return strings.TrimSpace(text.String()), strings.TrimSpace(code)
		}
		text.WriteString(line)
	}
}

// do is run for what must succeed and has nothing to complain of.
func (s *shell) do(script string) {
	s.t.Helper()
	if text, _ := s.run(script); text != "" {
		s.t.Errorf("%s: %s", script, text)
	}
}

func (s *shell) log() string {
	s.t.Helper()
	text, _ := s.run("cat /tmp/syslog")
	return text
}

// await waits until what is true.
func (s *shell) await(name string, what func() error) {
	s.t.Helper()
	var err error
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = what(); err == nil {
			return
		}
	}
	s.t.Fatalf("%s: %v\n%s", name, err, s.log())
}

// daemon is the process of the daemon itself, "" without one.
func (s *shell) daemon() string {
	s.t.Helper()
	pid, _ := s.run("ps -o pid,args | sed -n 's|^ *\\([0-9]*\\) /usr/bin/mezoura -state.*|\\1|p'")
	return pid
}

// ready waits for a daemon that is not the one before and is attached.
func (s *shell) ready(before string) string {
	s.t.Helper()
	var pid string
	s.await("start", func() error {
		if pid = s.daemon(); pid == "" || pid == before || strings.Contains(pid, "\n") {
			return fmt.Errorf("daemon %q, before %q", pid, before)
		}
		report, err := s.setup.Scrape(context.Background())
		if err != nil {
			return err
		}
		return report.AttachedTo(s.home.Attached)
	})
	return pid
}

// gone sees that there is no daemon and nothing left on the devices.
func (s *shell) gone() {
	s.t.Helper()
	s.await("end", func() error {
		if pid := s.daemon(); pid != "" {
			return fmt.Errorf("%s still runs", pid)
		}
		return nil
	})
	if left, _ := s.run("ls -d /sys/fs/bpf/mezoura 2> /dev/null"); left != "" {
		s.t.Errorf("left behind: %s", left)
	}
}

// boot starts what is there before any service.
func (s *shell) boot() {
	s.t.Helper()
	s.do("syslogd -O /tmp/syslog; ubusd > /dev/null 2>&1 & procd > /dev/null 2>&1 &")
	s.await("procd", func() error {
		text, code := s.run("ubus list service")
		if code != "0" {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
}

func (s *shell) traffic() {
	s.t.Helper()
	for i, h := range s.home.Hosts {
		for _, f := range lab.Families {
			if _, _, err := (lab.Stream{
				Client: h.Namespace, From: h.Addr(f), Server: s.home.Internet.Namespace, Listen: s.home.Internet.Addr(f),
				Upload: 100_000 + int64(i), Download: 200_000 + int64(i), Buffer: 64 << 10,
			}).Run(context.Background()); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// OpenWrt's procd, ujail and ubusd with the init script, from the boot to the stop.
func TestProcd(t *testing.T) {
	s := newShell(t)
	var meters []*lab.Meter
	for _, h := range s.home.Hosts {
		m, err := h.Meter()
		if err != nil {
			t.Fatal(err)
		}
		meters = append(meters, m)
	}
	exact := func(what string) {
		t.Helper()
		list, err := lab.Expect(s.home.Hosts, meters)
		if err != nil {
			t.Fatal(err)
		}
		s.await(what, func() error {
			report, err := s.setup.Scrape(context.Background())
			if err != nil {
				return err
			}
			if wrong := report.Differences(list); wrong != nil {
				return fmt.Errorf("%s", strings.Join(wrong, "\n"))
			}
			return nil
		})
	}
	set := func(line string) {
		t.Helper()
		s.do("echo '\t" + line + "' >> /etc/config/mezoura")
	}

	network := s.home.Router.Networks[0]
	set(fmt.Sprintf("list subnet %s/%d/%s", network.Gateway4, network.Prefix4.Bits(), network.Device))
	set(fmt.Sprintf("list prefix6 %s/%d", network.Gateway6, network.Prefix6.Bits()))
	set("option interval 1")
	set("option exporter 1")
	s.boot()
	s.do("/etc/init.d/mezoura boot")
	first := s.ready("")
	status, _ := s.run("cat /proc/" + first + "/status")
	_, all := rights(t)
	for _, want := range []string{
		"Uid:\t34711\t34711\t34711\t34711", "Gid:\t34712\t34712\t34712\t34712", "NoNewPrivs:\t1",
		"CapEff:\t" + all, "CapPrm:\t" + all, "CapBnd:\t" + all,
	} {
		if !strings.Contains(status, want+"\n") {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	if text, _ := s.run("tr '\\0' '\\n' < /proc/" + first + "/environ | sort | tr '\\n' ' '"); text != "GOMAXPROCS=1 GOMEMLIMIT=12MiB container=ujail" {
		t.Errorf("environment %s", text)
	}
	// As the daemon sees it.
	if text, _ := s.run("ls /proc/" + first + "/root/etc/config /proc/" + first + "/root/sys/fs/bpf | tr '\\n' ' '"); !strings.Contains(text, "config: dhcp firewall mezoura ") || !strings.HasSuffix(text, "bpf: mezoura") {
		t.Errorf("in the jail: %s", text)
	}
	s.traffic()
	exact("first numbers")
	text, _ := s.run("cat /tmp/prom_c")
	if report, err := lab.ParseReport(text + "\n"); err != nil || report.Counts().Download.Bytes == 0 {
		t.Errorf("text file: %v\n%s", err, text)
	}
	for _, command := range []string{"mezoura stats -json", "mezoura status", "ubus call mezoura hosts"} {
		if text, code := s.run(command); code != "0" || !strings.Contains(text, network.Device) {
			t.Errorf("%s: %s\n%s", command, code, text)
		}
	}

	s.do("/etc/init.d/mezoura start") // changes nothing
	set("option idle 20m")
	s.do(`ubus call service event '{"type":"config.change","data":{"package":"mezoura"}}'`) // as reload_config and LuCI do
	s.await("reload", func() error {
		if !strings.Contains(s.log(), `msg="configuration read" changed=idle`) {
			return fmt.Errorf("the configuration was not read again")
		}
		return nil
	})
	for _, line := range strings.Split(s.log(), "\n") {
		if strings.Contains(line, " level=INFO ") && !strings.Contains(line, " daemon.info ") || strings.Contains(line, " level=WARN ") && !strings.Contains(line, " daemon.err ") {
			t.Errorf("logged as something else: %s", line)
		}
	}
	if pid := s.daemon(); pid != first {
		t.Errorf("another process after a reload: %s, was %s", pid, first)
	}
	set("option memory_limit 20")
	s.do("/etc/init.d/mezoura reload")
	pid := s.ready(first)
	if text, _ := s.run("tr '\\0' '\\n' < /proc/" + pid + "/environ"); !strings.Contains(text, "GOMEMLIMIT=20MiB") {
		t.Errorf("environment %s", text)
	}
	exact("after a reload that needs another process")

	for name, victim := range map[string]string{"the daemon": "$PID", "ujail": "$(cat /var/run/mezoura.pid)"} {
		s.do("PID=" + pid + "; kill -9 " + victim)
		s.traffic() // nobody reads, the kernel counts
		pid = s.ready(pid)
		exact("after " + name + " was killed")
	}
	s.do("/etc/init.d/mezoura restart")
	s.traffic()
	pid = s.ready(pid)
	exact("after restart")

	s.do("sed -i \"s/option enabled '1'/option enabled '0'/\" /etc/config/mezoura; /etc/init.d/mezoura reload")
	s.gone()
	s.do("sed -i \"s/option enabled '0'/option enabled '1'/\" /etc/config/mezoura; /etc/init.d/mezoura reload")
	s.ready(pid)
	s.do("/etc/init.d/mezoura stop")
	s.gone()

	set("option intervall 5")
	s.do("/etc/init.d/mezoura start")
	s.await("complaint", func() error {
		if !strings.Contains(s.log(), `option intervall "5": unknown option; did you mean interval?`) {
			return fmt.Errorf("none of a bad option")
		}
		return nil
	})
	s.do("sed -i /intervall/d /etc/config/mezoura; /etc/init.d/mezoura reload")
	s.ready("")
	s.do("/etc/init.d/mezoura stop")
	s.gone()
}

// OpenWrt's default_postinst and default_prerm, on a router that has never seen the package.
func TestInstall(t *testing.T) {
	s := newShell(t)
	s.do(`
sed -i /mezoura/d /etc/passwd /etc/group
mkdir -p /usr/lib/opkg/info /etc/rc.d /etc/uci-defaults
mv /etc/mezoura.defaults /etc/uci-defaults/60-mezoura
echo "Require-User: mezoura:mezoura" > /usr/lib/opkg/info/mezoura.control
printf '%s\n' /etc/init.d/mezoura /etc/uci-defaults/60-mezoura /usr/bin/mezoura > /usr/lib/opkg/info/mezoura.list
cat > /etc/config/network << END
config interface lan
	option proto static
config interface guest
	option proto static
config interface wan
	option proto dhcp
END
cat > /etc/config/firewall << END
config zone
	option name lan
	list network lan
config zone
	option name guest
	list network guest
config zone
	option name wan
	list network wan
	option masq 1
config forwarding
	option src lan
	option dest wan
config forwarding
	option src guest
	option dest wan
END`)
	s.boot()
	const scripts = "export pkgname=mezoura; . /lib/functions.sh; "
	started := func(before string) string {
		t.Helper()
		var pid string
		s.await("start", func() error {
			if pid = s.daemon(); pid == "" || pid == before {
				return fmt.Errorf("daemon %q, before %q", pid, before)
			}
			if text, code := s.run("mezoura status"); code != "0" {
				return fmt.Errorf("%s", text)
			}
			return nil
		})
		if owner, _ := s.run("ls -ld /proc/" + pid + " | awk '{ print $3, $4 }'"); owner != "mezoura mezoura" {
			t.Errorf("the daemon is %s", owner)
		}
		return pid
	}
	s.run(scripts + "default_postinst") // busybox' adduser and uci have things to say
	first := started("")
	if text, _ := s.run("sed -n 's/^\tlist network //p' /etc/config/mezoura | tr '\\n' ' '; ls /etc/rc.d /etc/uci-defaults | tr '\\n' ' '"); text !=
		"'lan' 'guest' /etc/rc.d: S95mezoura  /etc/uci-defaults:" {
		t.Errorf("set up: %s", text)
	}

	s.run("export PKG_UPGRADE=1; " + scripts + "default_prerm")
	if text, _ := s.run("ls /sys/fs/bpf/mezoura /etc/rc.d | tr '\\n' ' '"); !strings.Contains(text, " tables-") || !strings.Contains(text, "S95mezoura") {
		t.Errorf("between two versions: %s", text)
	}
	s.run("export PKG_UPGRADE=1; " + scripts + "default_postinst")
	started(first)
	if text, _ := s.run("sed -n 's/^\tlist network //p' /etc/config/mezoura | tr '\\n' ' '"); text != "'lan' 'guest'" {
		t.Errorf("networks after an upgrade: %s", text)
	}

	s.run(scripts + "default_prerm")
	s.gone()
	if text, _ := s.run("ls /etc/rc.d"); text != "" {
		t.Errorf("left in /etc/rc.d: %s", text)
	}
}
