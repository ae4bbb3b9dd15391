// SPDX-License-Identifier: GPL-2.0-only

package service_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/lab"
	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/blobmsg"
	"github.com/mezoura/mezoura/ubus/broker"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually wants something to become true soon.
func eventually(t testing.TB, within time.Duration, what string, ok func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = ok(); err == nil {
			return
		}
	}
	t.Fatalf("not within %s: %s: %v", within, what, err)
}

var build struct {
	sync.Once
	folder, path string
	err          error
}

// binary is the daemon; if it has to be built, that is done once.
func binary(t testing.TB) string {
	t.Helper()
	build.Do(func() {
		if build.folder, build.err = os.MkdirTemp("", "mzsvc-build-"); build.err == nil {
			build.path, build.err = lab.Binary(build.folder)
		}
	})
	check(t, build.err)
	return build.path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if build.folder != "" {
		_ = os.RemoveAll(build.folder)
	}
	os.Exit(code)
}

// system is the ubus of the router: the real ubusd where there is one, else ours.
type system struct {
	t      testing.TB
	socket string
	cmd    *exec.Cmd
	broker *broker.Broker
}

func (s *system) start() {
	s.t.Helper()
	if path, err := exec.LookPath("ubusd"); err == nil {
		s.cmd = exec.Command(path, "-s", s.socket, "-A", filepath.Dir(s.socket))
		check(s.t, s.cmd.Start())
		eventually(s.t, 10*time.Second, "ubusd listens", func() error {
			c, err := net.Dial("unix", s.socket)
			if err == nil {
				c.Close()
			}
			return err
		})
		return
	}
	b, err := broker.Listen(s.socket, broker.Options{})
	check(s.t, err)
	s.broker = b
	go b.Serve(context.Background())
}

func (s *system) stop() {
	switch {
	case s.cmd != nil:
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		_ = os.Remove(s.socket)
	case s.broker != nil:
		s.broker.Close()
	}
	s.cmd, s.broker = nil, nil
}

// router is a daemon in a namespace of its own, with a bridge br-lan of a port lan1, and a ubus beside it.
type router struct {
	t      testing.TB
	lab    *lab.Lab
	net    *lab.Namespace
	setup  *lab.Setup
	daemon *lab.Daemon
	system *system
	conn   *ubus.Conn
	wire   *lab.Injector
}

// newRouter prepares all but the daemon. uci is /etc/config/mezoura; with flags it is not read.
func newRouter(t testing.TB, uci string, flags ...string) *router {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("MEZOURA_REQUIRE_ROOT") == "1" {
			t.Fatal("must not skip here: namespaces need root")
		}
		t.Skip("namespaces need root")
	}
	l, err := lab.Open()
	check(t, err)
	t.Cleanup(func() { check(t, l.Close()) })
	r := &router{t: t, lab: l}
	r.net, err = l.Namespace("mzsvc")
	check(t, err)
	check(t, r.net.IP("link add br-lan type bridge", "link add lan1 type veth peer name host1", "link set lan1 master br-lan",
		"link set lan1 up", "link set host1 up", "link set br-lan up", "addr add 192.168.1.1/24 dev br-lan"))
	r.wire, err = l.Inject(r.net, "host1")
	check(t, err)
	if r.setup, err = l.Setup(binary(t), r.net); err != nil {
		t.Fatal(err)
	}
	r.system = &system{t: t, socket: filepath.Join(filepath.Dir(r.setup.State), "u")}
	r.setup.Args = append([]string{"-ubus-embedded=0", "-ubus-socket", r.system.socket}, flags...)
	r.configure("mezoura", uci)
	r.system.start()
	t.Cleanup(r.system.stop)
	r.conn = r.dial()
	return r
}

func (r *router) configure(name, text string) {
	r.t.Helper()
	check(r.t, os.WriteFile(filepath.Join(r.setup.Config, name), []byte(text), 0o644))
}

func (r *router) dial() *ubus.Conn {
	r.t.Helper()
	c, err := ubus.Dial(context.Background(), ubus.Options{Socket: r.system.socket, Transport: "wire", Lazy: true, Timeout: 10 * time.Second})
	check(r.t, err)
	r.t.Cleanup(func() { c.Close() })
	return c
}

func (r *router) start() {
	r.t.Helper()
	d, err := r.lab.Start(r.setup)
	check(r.t, err)
	r.daemon = d
	r.t.Cleanup(func() {
		if r.t.Failed() {
			for _, line := range d.Output() {
				r.t.Log("daemon: " + line)
			}
		}
	})
}

// up starts the daemon and waits until it counts.
func (r *router) up() {
	r.t.Helper()
	r.start()
	check(r.t, r.daemon.Ready(context.Background(), "lan1"))
	eventually(r.t, 10*time.Second, "mezoura on ubus", r.there)
}

func (r *router) there() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := r.conn.Call(ctx, "mezoura", "status", nil)
	return err
}

func (r *router) call(method string, args any) (blobmsg.Table, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return r.conn.Call(ctx, "mezoura", method, args)
}

// send lets a host send so many packets of 142 bytes to the internet.
func (r *router) send(host byte, packets int) {
	r.t.Helper()
	p := lab.Packet{
		To: net.HardwareAddr{2, 0, 0, 0, 0, 0xfe}, From: net.HardwareAddr{2, 0, 0, 0, 1, host},
		Source: netip.AddrFrom4([4]byte{192, 168, 1, host}), Dest: netip.MustParseAddr("198.51.100.7"), Protocol: 17, Payload: make([]byte, 108),
	}
	frame := p.Bytes()
	for range packets {
		check(r.t, r.wire.Send(frame))
	}
}

// uploaded is what a host has sent, as stats says.
func (r *router) uploaded(host byte) (packets int64, name string, err error) {
	reply, err := r.call("stats", map[string]any{"host": fmt.Sprintf("192.168.1.%d", host)})
	if err != nil {
		return 0, "", err
	}
	for v := range reply.Array("hosts").All() {
		h, _ := v.Table()
		return h.Table("upload").Int("packets"), h.Text("hostname"), nil
	}
	return 0, "", fmt.Errorf("no host 192.168.1.%d", host)
}

// sent wants exactly so many packets of a host.
func (r *router) sent(host byte, want int64) {
	r.t.Helper()
	eventually(r.t, 10*time.Second, "all of the host's packets", func() error {
		got, _, err := r.uploaded(host)
		if err == nil && got != want {
			err = fmt.Errorf("host %d sent %d, and %d are counted", host, want, got)
		}
		return err
	})
}

// tool runs the ubus tool; without one the test ends here, in the log.
func (r *router) tool(args ...string) (out string, code int) {
	r.t.Helper()
	path, err := exec.LookPath("ubus")
	if err != nil {
		r.t.Skip("no ubus tool on PATH")
	}
	cmd := exec.Command(path, append([]string{"-s", r.system.socket, "-t", "10"}, args...)...)
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	_ = cmd.Run()
	return b.String(), cmd.ProcessState.ExitCode()
}

// mezoura runs a command of the binary beside the daemon.
func (r *router) mezoura(args ...string) (out string, code int) {
	r.t.Helper()
	cmd := exec.Command(r.setup.Binary, append(args, "-ubus-socket", r.system.socket)...)
	var b strings.Builder
	cmd.Stdout, cmd.Stderr = &b, &b
	_ = cmd.Run()
	return b.String(), cmd.ProcessState.ExitCode()
}
