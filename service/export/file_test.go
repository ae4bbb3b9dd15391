// SPDX-License-Identifier: GPL-2.0-only

package export_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/export"
)

func metrics(s *account.Snapshot) *export.Metrics {
	return export.New(func() *account.Snapshot { return s }, true)
}

func read(t *testing.T, path string) string {
	t.Helper()
	p, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

// entries are the names in a folder.
func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestWriteFile(t *testing.T) {
	old := syscall.Umask(0o077)
	t.Cleanup(func() { syscall.Umask(old) })
	dir := t.TempDir()
	path := filepath.Join(dir, "prom_c")
	victim := filepath.Join(t.TempDir(), "victim")
	for name, prepare := range map[string]func(){
		"new":                func() {},
		"again":              func() { os.WriteFile(path, []byte("old"), 0o600) },
		"left by a kill":     func() { os.WriteFile(filepath.Join(dir, ".prom_c.new"), []byte("half"), 0o600) },
		"link in its place":  func() { os.Remove(path); os.Symlink(victim, path) },
		"link in the way":    func() { os.Symlink(victim, filepath.Join(dir, ".prom_c.new")) },
		"folder in the way":  func() { os.MkdirAll(filepath.Join(dir, ".prom_c.new", "x"), 0o700) },
		"dangling in place":  func() { os.Remove(path); os.Symlink("/nonexistent/x", path) },
		"hard link in place": func() { os.Remove(path); os.Link(victim, path) },
	} {
		if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		prepare()
		if err := metrics(readme()).WriteFile(path); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.HasPrefix(read(t, path), original) {
			t.Errorf("%s: not written", name)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != 0o644 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
		if got := read(t, victim); got != "precious" {
			t.Errorf("%s: somebody else's file is now %q", name, got)
		}
		os.RemoveAll(filepath.Join(dir, ".prom_c.new"))
		if got := entries(t, dir); len(got) != 1 {
			t.Errorf("%s: left behind %v", name, got)
		}
	}
}

func TestWriteFileFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "folder", "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir + "/missing/prom_c": "write " + dir + "/missing/prom_c: no such file or directory",
		dir + "/folder":         "write " + dir + "/folder: file exists",
		dir + "/folder/":        "write " + dir + "/folder/: no file name",
	} {
		if err := metrics(readme()).WriteFile(path); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	if got := entries(t, dir); len(got) != 1 {
		t.Errorf("left behind %v", got)
	}
	path := filepath.Join(dir, "prom_c")
	if err := metrics(nil).WriteFile(path); err == nil || !strings.HasPrefix(err.Error(), "write "+path+": ") {
		t.Errorf("without a snapshot: %v", err)
	}
}

func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting a small tmpfs takes root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "prom_c")
	if err := metrics(readme()).WriteFile(path); err != nil {
		t.Fatal(err)
	}
	before := read(t, path)
	err := metrics(fleet(500)).WriteFile(path)
	if want := "write " + path + ": write metrics: no space left on device"; err == nil || err.Error() != want && err.Error() != "write "+path+": no space left on device" {
		t.Errorf("%v, want %s", err, want)
	}
	if read(t, path) != before {
		t.Error("the old file is gone")
	}
	if got := entries(t, dir); len(got) != 1 {
		t.Errorf("left behind %v", got)
	}
}

func TestWriteFiles(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "missing", "a"), filepath.Join(dir, "b")
	err := metrics(readme()).WriteFiles([]export.Textfile{
		{Path: a}, {Path: filepath.Join(dir, "absent", "x.prom"), Optional: true}, {Path: b, Optional: true},
	})
	if err == nil || !strings.Contains(err.Error(), a) || strings.Contains(err.Error(), "absent") {
		t.Errorf("%v", err)
	}
	if !strings.HasPrefix(read(t, b), original) {
		t.Error("the error of one file kept another from being written")
	}
	if got := export.DefaultTextfiles(); len(got) != 2 || got[0] != (export.Textfile{Path: "/tmp/prom_c"}) || got[1].Path != "/var/prometheus/mezoura.prom" || !got[1].Optional {
		t.Errorf("%v", got)
	}
}

func TestReadersSeeWholeFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prom_c")
	small, big := readme(), fleet(300)
	if err := metrics(small).WriteFile(path); err != nil {
		t.Fatal(err)
	}
	wants := map[int]bool{len(write(t, small, true, export.Text)): true, len(write(t, big, true, export.Text)): true}
	var stop atomic.Bool
	done := make(chan int)
	go func() {
		reads := 0
		for ; !stop.Load(); reads++ {
			p, err := os.ReadFile(path)
			if err != nil || !wants[len(p)] || !bytes.HasSuffix(p, []byte("} 1\n")) {
				t.Errorf("half a file: %d bytes, %v", len(p), err)
				break
			}
		}
		done <- reads
	}()
	for i := range 60 {
		if err := metrics([]*account.Snapshot{small, big}[i%2]).WriteFile(path); err != nil {
			t.Fatal(err)
		}
	}
	stop.Store(true)
	if <-done == 0 {
		t.Error("nothing was read")
	}
}
