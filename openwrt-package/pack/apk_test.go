// SPDX-License-Identifier: GPL-2.0-only

package pack_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// apkTool is the tool apk 3, which distributions other than OpenWrt and Alpine
// mostly lack: MEZOURA_APK says where it is.
func apkTool(t *testing.T) string {
	t.Helper()
	name := os.Getenv("MEZOURA_APK")
	if name == "" {
		name = "apk"
	}
	tool, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%v: apk-tools 3 makes these packages", err)
	}
	return tool
}

func TestAPK(t *testing.T) {
	tool := apkTool(t)
	out := t.TempDir()
	cmd := exec.Command("go", "run", "./openwrt-package/packages", "-out", out, "-arch", "mips_24kc", "-apk", tool,
		"-main", "./openwrt-package/pack/testdata/daemon", "apk")
	cmd.Dir = root(t)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	feed := filepath.Join(out, "apk/mips_24kc")
	name := only(t, filepath.Join(feed, "mezoura-*.apk"))

	dump, err := exec.Command(tool, "adbdump", name).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, dump)
	}
	for _, want := range []string{
		"  name: mezoura\n", "  version: " + version(t) + "-r1\n", "  arch: mips_24kc\n", "    - kmod-sched-bpf\n",
		"post-install:", "post-upgrade:", "pre-deinstall:", "add_group_and_user", "export PKG_UPGRADE=1",
	} {
		if !strings.Contains(string(dump), want) {
			t.Errorf("no %q in\n%s", want, dump)
		}
	}
	files := t.TempDir()
	if output, err := exec.Command(tool, "extract", "--allow-untrusted", "--destination", files, name).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	config, err := os.ReadFile(filepath.Join(files, "etc/config/mezoura"))
	if err != nil {
		t.Fatal(err)
	}
	for list, want := range map[string]string{
		".rusers":           "mezoura:mezoura\n",
		".conffiles":        "/etc/config/mezoura\n",
		".conffiles_static": fmt.Sprintf("/etc/config/mezoura %x\n", sha256.Sum256(config)),
	} {
		if got, err := os.ReadFile(filepath.Join(files, "lib/apk/packages/mezoura"+list)); err != nil || string(got) != want {
			t.Errorf("%s: %q, error %v; want %q", list, got, err, want)
		}
	}
	list, err := os.ReadFile(filepath.Join(files, "lib/apk/packages/mezoura.list"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(list)) {
		if _, err := os.Stat(filepath.Join(files, path)); err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(string(list), "/etc/init.d/mezoura\n") {
		t.Errorf("list %q: no init script", list)
	}
	index, err := exec.Command(tool, "adbdump", filepath.Join(feed, "packages.adb")).CombinedOutput()
	if err != nil || !strings.Contains(string(index), "name: mezoura\n") || !strings.Contains(string(index), "name: luci-app-mezoura\n") {
		t.Errorf("index, error %v:\n%s", err, index)
	}
}

func TestAPKWithoutTool(t *testing.T) {
	cmd := exec.Command("go", "run", "./openwrt-package/packages", "-out", t.TempDir(), "-apk", "no-such-tool", "apk")
	cmd.Dir = root(t)
	output, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(output), "no no-such-tool here, and nothing else makes packages of apk 3") {
		t.Errorf("error %v: %s", err, output)
	}
}
