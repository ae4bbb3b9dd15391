// SPDX-License-Identifier: GPL-2.0-only

package service_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
)

// TestStartOnFullDisk kills the daemon while the disk of its state is full, and starts it. It has to count and to show all
// that was counted, however often that happens, and to save it when there is room again.
func TestStartOnFullDisk(t *testing.T) {
	const size = 64 << 10
	r := newRouter(t, "", "-4", byFlags)
	disk, err := r.lab.Mount("state", "tmpfs", fmt.Sprintf("size=%d", size))
	check(t, err)
	r.setup.State = filepath.Join(disk, "state")
	r.up()
	r.send(50, 5)
	r.sent(50, 5)
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, size), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	total := int64(5)
	for range 3 {
		r.daemon.Kill()
		r.send(50, 5)
		r.up()
		r.send(50, 5)
		total += 10
		r.sent(50, total)
	}
	warned := func() error {
		reply, err := r.call("status", nil)
		if err == nil && !strings.Contains(reply.String(), "Totals are not saved") {
			err = fmt.Errorf("no warning in %s", reply.String())
		}
		return err
	}
	eventually(t, 10*time.Second, "a warning that totals are not saved", warned)
	check(t, os.Remove(ballast))
	eventually(t, 10*time.Second, "the warning goes, and earlier tables with it", func() error {
		tables, err := filepath.Glob(filepath.Join(r.setup.BPFFS, "tables-*"))
		switch {
		case err != nil:
			return err
		case warned() == nil:
			return fmt.Errorf("still a warning")
		case len(tables) != 1:
			return fmt.Errorf("tables %q are left", tables)
		}
		return nil
	})
	r.sent(50, total)
	r.daemon.Kill()
	r.up()
	r.sent(50, total)
}

// TestUnfinishedTables starts the daemon after one that was killed while it made its tables. They have to go.
func TestUnfinishedTables(t *testing.T) {
	r := newRouter(t, "", "-4", byFlags)
	r.up()
	r.send(50, 5)
	r.sent(50, 5)
	r.daemon.Kill()
	unfinished := filepath.Join(r.setup.BPFFS, "tables-0123456789abcdef")
	check(t, os.Mkdir(unfinished, 0o700))
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	check(t, err)
	defer m.Close()
	check(t, m.Pin(filepath.Join(unfinished, "rows")))
	r.up()
	r.sent(50, 5)
	if _, err := os.Stat(unfinished); !os.IsNotExist(err) {
		t.Errorf("the unfinished tables are still there: %v", err)
	}
	for _, line := range r.daemon.Output() {
		if strings.Contains(line, "level=ERROR") {
			t.Errorf("the daemon complains: %s", line)
		}
	}
}

// TestRenamedPort gives a port that is attached another name.
func TestRenamedPort(t *testing.T) {
	r := newRouter(t, "", "-4", byFlags)
	r.up()
	check(t, r.net.IP("link set lan1 down", "link set lan1 name wlan7", "link set wlan7 up"))
	check(t, r.daemon.Ready(context.Background(), "wlan7"))
	report, err := r.daemon.Scrape(context.Background())
	check(t, err)
	if report.AttachedTo([]string{"lan1"}) == nil {
		t.Error("still attached to lan1, which is no more")
	}
	r.send(50, 5)
	r.sent(50, 5)
}
