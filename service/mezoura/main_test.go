// SPDX-License-Identifier: GPL-2.0-only

package main_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// build makes the command once for a test and its children.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mezoura")
	cmd := exec.Command("go", "build", "-ldflags", "-X main.version=1.2.3-test", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return path
}

// TestCommandLine runs what needs no daemon: how it ends, and what it says. Nothing here may begin to count, so there is no
// bpffs where these look for one.
func TestCommandLine(t *testing.T) {
	binary, dir := build(t), t.TempDir()
	config := func(text string) string {
		t.Helper()
		folder, err := os.MkdirTemp(dir, "config")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "mezoura"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return folder
	}
	places := []string{"-state", filepath.Join(dir, "state"), "-bpffs", filepath.Join(dir, "bpf"), "-ubus-socket", filepath.Join(dir, "ubus")}
	for _, c := range []struct {
		args   []string
		code   int
		stderr []string // parts of its lines, one each
		stdout string
	}{
		{[]string{"version"}, 0, nil, "mezoura 1.2.3-test\n"},
		{[]string{"-version"}, 0, nil, "mezoura 1.2.3-test\n"},
		{[]string{"-help"}, 0, nil, "mezoura stats"},
		{[]string{"-x"}, 2, []string{"flag -x"}, ""},
		{[]string{"frobnicate"}, 2, []string{`"frobnicate"`}, ""},
		{[]string{"-p"}, 2, []string{"flag -p"}, ""},
		{[]string{"-p", "65536", "-4", "192.168.1.1/24/br-lan"}, 2, []string{`flag -p "65536"`}, ""},
		{[]string{"-t", "0", "-p", "x", "-4", "192.168.1.1/24/br-lan"}, 2, []string{`flag -t "0"`, `flag -p "x"`}, ""},
		{[]string{"-4", "192.168.1.1/33/br-lan"}, 2, []string{`flag -4 "192.168.1.1/33/br-lan"`}, ""},
		{[]string{"-4", "bad\nline/24/\x1b[31m"}, 2, []string{"flag -4"}, ""},
		{[]string{"-config", config("config mezoura\n\tlist network lan\n\toption interval soon\n\toption table_size 1\n")}, 2,
			[]string{`mezoura:3: option interval "soon"`, `mezoura:4: option table_size "1"`}, ""},
		{[]string{"-config", config("config mezoura\n\toption 'half\n")}, 2, []string{"mezoura:2"}, ""},
		{[]string{"stats", "-frob"}, 2, []string{"stats: flag provided but not defined: -frob"}, ""},
		{[]string{"top", "-d", "0"}, 2, []string{"top: -d 0"}, ""},
		{[]string{"stats", "-ubus-socket", filepath.Join(dir, "none")}, 1, []string{"no ubus here: is ubusd running?"}, ""},
		{[]string{"status", "-h"}, 0, nil, "mezoura status"},
		{append([]string{"-4", "192.168.1.1/24/br-lan"}, places...), 1, []string{"pin tables: no bpffs at " + dir}, ""},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		cmd := exec.CommandContext(ctx, binary, c.args...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run()
		cancel()
		if code := cmd.ProcessState.ExitCode(); code != c.code {
			t.Errorf("%q ended with %d, want %d: %s", c.args, code, c.code, &errs)
		}
		if !strings.Contains(out.String(), c.stdout) || c.stdout == "" && out.Len() > 0 {
			t.Errorf("%q printed %q, want %q", c.args, &out, c.stdout)
		}
		var lines []string
		if errs.Len() > 0 {
			lines = strings.Split(strings.TrimSuffix(errs.String(), "\n"), "\n")
		}
		if len(lines) != len(c.stderr) {
			t.Errorf("%q said %q, want %d lines", c.args, lines, len(c.stderr))
			continue
		}
		for i, want := range c.stderr {
			if !strings.HasPrefix(lines[i], "mezoura: ") || !strings.Contains(lines[i], want) || strings.Contains(lines[i], "\x1b") {
				t.Errorf("%q said %q, want %q", c.args, lines[i], want)
			}
		}
	}
}
