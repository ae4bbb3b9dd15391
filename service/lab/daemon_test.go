// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/mezoura/mezoura/service/lab"
)

// daemonBinary returns the daemon to be tested; if it has to be built, that is done once.
func daemonBinary(t testing.TB) string {
	t.Helper()
	build.Do(func() {
		if build.folder, build.err = os.MkdirTemp("", "mezoura-build-"); build.err == nil {
			build.path, build.err = lab.Binary(build.folder)
		}
	})
	check(t, build.err)
	return build.path
}

var build struct {
	sync.Once
	folder, path string
	err          error
}

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == withoutBPF {
		fmt.Fprintln(os.Stderr, runWithoutBPF(os.Args[2:]))
		os.Exit(125)
	}
	code := m.Run()
	if build.folder != "" {
		_ = os.RemoveAll(build.folder)
	}
	os.Exit(code)
}

// setup prepares a daemon for all networks of a home.
func setup(t testing.TB, h *lab.Home, args ...string) *lab.Setup {
	t.Helper()
	return try(h.Setup(daemonBinary(t), h.Router.Namespace, append(h.Flags(), args...)...))(t)
}

// start starts a daemon and waits until it counts on every device of the home.
func start(t testing.TB, h *lab.Home, s *lab.Setup) *lab.Daemon {
	t.Helper()
	d := try(h.Start(s))(t)
	check(t, d.Ready(context.Background(), h.Attached...))
	t.Cleanup(func() {
		if t.Failed() {
			for _, line := range d.Output() {
				t.Log("daemon: " + line)
			}
		}
	})
	return d
}

// expect waits until the daemon reports exactly what the meters saw.
func expect(t testing.TB, d *lab.Daemon, hosts []*lab.Host, meters []*lab.Meter) *lab.Report {
	t.Helper()
	list := try(lab.Expect(hosts, meters))(t)
	var sum lab.Counts
	for _, e := range list {
		sum = sum.Add(e.Counts)
	}
	if sum.Upload.Packets == 0 && sum.Download.Packets == 0 {
		t.Fatal("the meters saw no traffic: there is nothing to compare")
	}
	r, err := d.Await(context.Background(), list)
	if err != nil {
		if r != nil {
			t.Logf("report: %s\nunattributed: %v", r.Rows(), r.Unattributed())
		}
		t.Fatal(err)
	}
	if reasons := r.Unattributed(); len(reasons) != 0 {
		t.Errorf("all traffic is some host's, and the daemon has unattributed: %v", reasons)
	}
	return r
}
