// SPDX-License-Identifier: GPL-2.0-only

package mezoura_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mezoura/mezoura/ubus"
)

// asUser is the argument that makes this test's program the unprivileged client.
const asUser = "as-the-user-mezoura"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == asUser {
		if err := useBus(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// useBus does on ubus what the daemon does, and tries what it may not.
func useBus(socket string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := ubus.Dial(ctx, ubus.Options{Socket: socket})
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Publish(ctx, ubus.Object{Path: "mezoura"}); err != nil {
		return fmt.Errorf("publish mezoura: %w", err)
	}
	// ubusd's refusal of an object is "invalid argument".
	if _, err := c.Publish(ctx, ubus.Object{Path: "network.wireless"}); err == nil {
		return errors.New("publish network.wireless: allowed")
	}
	for object, methods := range map[string][]string{"network.interface": {"dump"}, "dhcp": {"ipv4leases", "ipv6leases"}} {
		for _, method := range methods {
			if _, err := c.Call(ctx, object, method, nil); err != nil {
				return fmt.Errorf("call %s %s: %w", object, method, err)
			}
		}
	}
	if _, err := c.Call(ctx, "network.interface", "down", nil); !errors.Is(err, ubus.ErrPermissionDenied) {
		return fmt.Errorf("call network.interface down: %v, want permission denied", err)
	}
	if _, err := c.Listen(ctx, "network.interface", func(ubus.Event) {}); err != nil {
		return fmt.Errorf("listen to network.interface: %w", err)
	}
	if _, err := c.Subscribe(ctx, "network.interface", func(ubus.Notification) {}); err != nil {
		return fmt.Errorf("subscribe to network.interface: %w", err)
	}
	return nil
}

// The real ubusd with our access list, and a client that is the real user. The
// user is made only after ubusd has started, as at the first installation: a
// SIGHUP, which the init script sends, lets it look again.
func TestAccessListOfUbusd(t *testing.T) {
	if os.Geteuid() != 0 {
		unable(t, "becomes another user: needs root")
	}
	ubusd, err := exec.LookPath("ubusd")
	if err != nil {
		t.Skipf("%v: build OpenWrt's ubus", err)
	}
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copyFile := func(from, to string, more string, mode os.FileMode) {
		t.Helper()
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, append(data, more...), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "acl.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	copyFile("files/mezoura.acl.json", filepath.Join(dir, "acl.d/mezoura.json"), "", 0o644)
	copyFile("/proc/self/exe", filepath.Join(dir, "client"), "", 0o755)
	for _, name := range []string{"passwd", "group"} {
		copyFile("/etc/"+name, filepath.Join(dir, name), "", 0o644)
	}
	socket := filepath.Join(dir, "ubus.sock")
	// In mounts of its own, where these are the users.
	broker := exec.Command("sh", "-c", `mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group && exec "$1" -s "$2" -A "$0/acl.d"`, dir, ubusd, socket)
	broker.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := broker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		broker.Process.Kill()
		broker.Wait()
	})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	router, err := ubus.Dial(ctx, ubus.Options{Socket: socket})
	for ; err != nil; router, err = ubus.Dial(ctx, ubus.Options{Socket: socket}) {
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Cleanup(func() { router.Close() })
	answer := func(context.Context, *ubus.Request) (any, error) { return map[string]any{"ok": true}, nil }
	for path, methods := range map[string][]string{"network.interface": {"dump", "down"}, "dhcp": {"ipv4leases", "ipv6leases"}} {
		object := ubus.Object{Path: path}
		for _, m := range methods {
			object.Methods = append(object.Methods, ubus.Method{Name: m, Handler: answer})
		}
		if _, err := router.Publish(ctx, object); err != nil {
			t.Fatal(err)
		}
	}
	client := func() (string, error) {
		cmd := exec.CommandContext(ctx, filepath.Join(dir, "client"), asUser, socket)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: group}}
		output, err := cmd.CombinedOutput()
		return string(output), err
	}
	for name, line := range map[string]string{
		"passwd": fmt.Sprintf("mezoura:x:%d:%d::/:/bin/false\n", user, group), "group": fmt.Sprintf("mezoura:x:%d:\n", group),
	} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteString(line)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if output, err := client(); err == nil || !strings.Contains(output, "publish mezoura") {
		t.Errorf("before SIGHUP: error %v, %s; want that it may not publish", err, output)
	}
	if err := broker.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if output, err := client(); err != nil {
		t.Errorf("after SIGHUP: %v, %s", err, output)
	}
}
