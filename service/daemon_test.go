// SPDX-License-Identifier: GPL-2.0-only

package service_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// TestSecondDaemon wants one daemon for a folder, and the first undisturbed.
func TestSecondDaemon(t *testing.T) {
	r := newRouter(t, "", "-4", byFlags)
	r.up()
	r.send(50, 5)
	second, err := r.lab.Start(r.setup)
	check(t, err)
	if err := second.Wait(10 * time.Second); err == nil || second.ExitCode() != 1 {
		t.Errorf("a second daemon ended with %v", err)
	}
	if out := second.Output(); len(out) != 1 || !strings.Contains(out[0], "another mezoura is running") {
		t.Errorf("a second daemon said %q", out)
	}
	if err := r.setup.Detach(); err == nil || !strings.Contains(err.Error(), "another mezoura is running") {
		t.Errorf("-detach under a running daemon: %v", err)
	}
	r.send(50, 5)
	r.sent(50, 10)
	r.daemon.Kill()
	check(t, r.setup.Detach())
	if _, err := os.Stat(r.setup.State); !os.IsNotExist(err) {
		t.Errorf("-detach leaves the folder of the state: %v", err)
	}
}

// TestBrokenState starts the daemon on what is no state file.
func TestBrokenState(t *testing.T) {
	r := newRouter(t, "", "-4", byFlags)
	check(t, os.Mkdir(r.setup.State, 0o755))
	check(t, os.WriteFile(filepath.Join(r.setup.State, "book"), []byte("mezoura state 1\nclosed\x00"), 0o600))
	r.up()
	warned := 0
	for _, line := range r.daemon.Output() {
		if strings.Contains(line, "level=WARN") && strings.Contains(line, "totals begin anew") {
			warned++
		}
	}
	if warned != 1 {
		t.Errorf("warned %d times", warned)
	}
	r.send(50, 5)
	r.sent(50, 5)
	check(t, r.daemon.Terminate())
	r.send(50, 5)
	r.up()
	r.sent(50, 10)
}

// TestTenThousandHosts has that many hosts send a packet each, and reads them with the command.
func TestTenThousandHosts(t *testing.T) {
	const hosts = 10_000
	r := newRouter(t, "config mezoura\n\tlist subnet 10.20.0.1/16/br-lan\n\toption table_size 32768\n\toption max_hosts 20000\n\toption max_addresses 20000\n")
	r.up()
	for i := range hosts {
		p := lab.Packet{
			To: net.HardwareAddr{2, 0, 0, 0, 0, 0xfe}, From: net.HardwareAddr{2, 0, 0, 9, byte(i >> 8), byte(i)},
			Source: netip.AddrFrom4([4]byte{10, 20, byte((i + 2) >> 8), byte(i + 2)}), Dest: netip.MustParseAddr("198.51.100.7"), Protocol: 17, Payload: make([]byte, 60),
		}
		check(t, r.wire.Send(p.Bytes()))
	}
	eventually(t, 20*time.Second, "all hosts", func() error {
		reply, err := r.call("stats", map[string]any{"limit": 1})
		if err == nil && reply.Int("total") != hosts {
			err = fmt.Errorf("%d hosts", reply.Int("total"))
		}
		return err
	})
	out, code := r.mezoura("stats", "-csv")
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(out), "\n")[1:] {
		mac, _, _ := strings.Cut(line, ",")
		if seen[mac] {
			t.Errorf("%s is listed twice", mac)
		}
		seen[mac] = true
	}
	if code != 0 || len(seen) != hosts {
		t.Errorf("mezoura stats -csv: %d, %d hosts", code, len(seen))
	}
	if out, code := r.mezoura("stats"); code != 0 || !strings.Contains(out, "Total of 10000 hosts") {
		t.Errorf("mezoura stats: %d, ends with %q", code, out[max(0, len(out)-200):])
	}
}
