// SPDX-License-Identifier: GPL-2.0-only

package uci_test

import (
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mezoura/mezoura/service/uci"
)

// reference reads a file by the real `uci`; ok is false when it refuses it.
type reference struct {
	tool, dir, none string
}

func openReference(t *testing.T) *reference {
	t.Helper()
	tool, err := exec.LookPath("uci")
	if err != nil {
		t.Log("no uci on PATH: not compared with libuci")
		return nil
	}
	return &reference{tool: tool, dir: t.TempDir(), none: t.TempDir()}
}

func (r *reference) export(t *testing.T, data string) (text string, ok bool) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "sample"), []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(r.tool, "-q", "-c", r.dir, "-t", r.none, "-n", "export", "sample")
	out, err := cmd.Output()
	return string(out), err == nil
}

// compare reads a file both ways.
func (r *reference) compare(t *testing.T, data string) {
	t.Helper()
	want, accepted := r.export(t, data)
	p, err := uci.Parse("sample", []byte(data))
	switch {
	case accepted && err != nil:
		t.Errorf("%q: libuci reads it, we do not: %v", data, err)
	case !accepted && err == nil:
		t.Errorf("%q: libuci refuses it, we read\n%s", data, export("sample", p))
	case accepted:
		if got := export("sample", p); got != want {
			t.Errorf("%q: got\n%s\nlibuci reads\n%s", data, got, want)
		}
	}
}

func TestReadsWhatLibuciReads(t *testing.T) {
	r := openReference(t)
	if r == nil {
		return
	}
	for _, s := range samples {
		r.compare(t, s.in)
	}
	// Pieces that mean something, put together without sense.
	pieces := []string{
		"config ", "option ", "list ", "package ", "c ", "o ", "l ", "p ", "config", "option", "\n", "\n", "\n", "\r\n", " ", "\t", "a", "b", "name",
		"x-y", "'", "'", "\"", "\"", "\\", "\\\n", ";", "#", "'a b'", "\"c d\"", "''", "\xff", "\v", "cfg01ed3c", "config a\n", "config a x\n",
		"option b c\n", "list b 'd'\n", "option b 'it'\\''s'\n",
	}
	random := rand.New(rand.NewSource(1))
	n := 1500
	if testing.Short() {
		n = 200
	}
	for range n {
		var b strings.Builder
		if random.Intn(2) == 0 {
			b.WriteString("config a\n")
		}
		for range 1 + random.Intn(14) {
			b.WriteString(pieces[random.Intn(len(pieces))])
		}
		r.compare(t, b.String())
	}
}
