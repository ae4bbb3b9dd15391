// SPDX-License-Identifier: GPL-2.0-only

package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mezoura/mezoura/service/cli"
	"github.com/mezoura/mezoura/ubus"
)

// stall answers no call before the channel is closed.
func stall(until <-chan struct{}) func(context.Context, *ubus.Request) (any, error) {
	return func(ctx context.Context, _ *ubus.Request) (any, error) {
		select {
		case <-until:
		case <-ctx.Done():
		}
		return nil, ubus.ErrNoData
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"frobnicate"}, `"frobnicate" is not a command`},
		{[]string{"stats", "-x"}, "stats: flag provided but not defined: -x; mezoura stats -h lists the flags"},
		{[]string{"stats", "laptop"}, `stats: "laptop" is not a flag`},
		{[]string{"stats", "-json", "-csv"}, "-json and -csv together"},
		{[]string{"stats", "-host"}, "flag needs an argument: -host"},
		{[]string{"status", "-csv"}, "not defined: -csv"},
		{[]string{"top", "-d", "0"}, "-d 0: want 0.2 to 3600 seconds"},
		{[]string{"top", "-d", "NaN"}, "want 0.2 to 3600 seconds"},
		{[]string{"top", "-d", "soon"}, "invalid value \"soon\" for flag -d"},
		{[]string{"top", "-n", "-1"}, "-n -1: want 0"},
	} {
		err := cli.Run(ctx, c.args, os.Stdin, os.Stdout)
		if !errors.Is(err, cli.ErrUsage) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", c.args, err, c.want)
		}
	}
	for _, name := range cli.Commands() {
		out, errs, code := command(t, name, "-h")
		if code != 0 || errs != "" || !strings.Contains(out, "mezoura "+name) {
			t.Errorf("%s -h: %d, %q, %q", name, code, out, errs)
		}
	}
}

// TestNoUbus wants one clear line.
func TestNoUbus(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "ubus.sock")
	stale := filepath.Join(t.TempDir(), "stale")
	if err := syscall.Mknod(stale, syscall.S_IFSOCK|0o600, 0); err != nil {
		t.Fatal(err)
	}
	for socket, want := range map[string]string{missing: "no ubus here: is ubusd running? ", stale: "no ubus here: is ubusd running? "} {
		for _, name := range cli.Commands() {
			err := cli.Run(ctx, []string{name, "-ubus-socket", socket}, os.Stdin, os.Stdout)
			if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") || errors.Is(err, cli.ErrUsage) {
				t.Errorf("%s at %s: %v", name, filepath.Base(socket), err)
			}
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("to be refused by a socket as somebody else needs root")
	}
	d := publish(t, newHome(family()))
	if err := os.Chmod(filepath.Dir(d.socket), 0o755); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(filepath.Dir(d.socket), "mezoura") // go test's own folder is private
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, self, 0o755); err != nil {
		t.Fatal(err)
	}
	nobody := func() string {
		cmd := exec.Command(binary, "stats", "-ubus-socket", d.socket)
		cmd.Env = append(os.Environ(), asCommand+"=1")
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err == nil || cmd.ProcessState.ExitCode() != 1 || bytes.Count(out, []byte("\n")) != 1 {
			t.Errorf("nobody may ask: %v: %s", err, out)
		}
		return string(out)
	}
	if text := nobody(); !strings.Contains(text, "ubus does not let this user in") {
		t.Errorf("socket is root's: %s", text)
	}
	if err := os.Chmod(d.socket, 0o666); err != nil {
		t.Fatal(err)
	}
	if text := nobody(); !strings.Contains(text, "not on ubus") && !strings.Contains(text, "ubus does not let this user ask") {
		t.Errorf("object is not for everybody: %s", text)
	}
}

// TestOverUbus runs the commands as a user does, and holds JSON against the ubus tool.
func TestOverUbus(t *testing.T) {
	d := publish(t, newHome(hostileHome()))
	out, errs, code := command(t, "stats", "-ubus-socket", d.socket)
	if code != 0 || errs != "" || strings.Count(out, "\n") != len(hostile())+2 {
		t.Errorf("stats: %d %q\n%s", code, errs, out)
	}
	if _, errs, code = command(t, "stats", "-host", "nobody", "-ubus-socket", d.socket); code != 1 || errs != "mezoura: no host \"nobody\": mezoura stats lists all\n" {
		t.Errorf("no such host: %d %q", code, errs)
	}
	asJSON, _, _ := command(t, "stats", "-json", "-ubus-socket", d.socket)
	if !json.Valid([]byte(asJSON)) {
		t.Errorf("invalid JSON: %s", asJSON)
	}
	statusJSON, _, _ := command(t, "status", "-json", "-ubus-socket", d.socket)
	tool, err := exec.LookPath("ubus")
	if err != nil {
		t.Log("no ubus tool here: JSON is not held against it")
	} else {
		for method, got := range map[string]string{"stats": asJSON, "status": statusJSON} {
			want, err := exec.Command(tool, "-S", "-s", d.socket, "call", "mezoura", method).Output()
			if err != nil {
				t.Fatal(err)
			}
			var a, b any
			if err := json.Unmarshal(want, &a); err != nil {
				t.Errorf("ubus call %s: %v", method, err)
			}
			if json.Unmarshal([]byte(got), &b) != nil || !equalJSON(a, b) {
				t.Errorf("%s:\n%s\nubus call:\n%s", method, got, want)
			}
			if want, err = exec.Command(tool, "-s", d.socket, "call", "mezoura", method).Output(); err != nil || string(want) != got {
				t.Errorf("%s is not what the tool prints (%v):\n%q\nubus call:\n%q", method, err, got, want)
			}
		}
	}
	// 10,000 hosts, in messages of 1 MiB.
	d.home.set(fleet(10_000, 1))
	if out, errs, code = command(t, "stats", "-csv", "-ubus-socket", d.socket); code != 0 || strings.Count(out, "\n") != 10_001 {
		t.Errorf("csv: %d lines, %d %s", strings.Count(out, "\n"), code, errs)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	if err := cli.Run(ctx, []string{"stats", "-ubus-socket", d.socket}, os.Stdin, full); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("to a full disk: %v", err)
	}
}

func equalJSON(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}
