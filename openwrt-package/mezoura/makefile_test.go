// SPDX-License-Identifier: GPL-2.0-only

package mezoura_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The feed's Makefile between stand-ins for OpenWrt's, which show what it defines.
func TestMakefile(t *testing.T) {
	top := t.TempDir()
	feed := filepath.Join(top, "feeds/mezoura/openwrt-package/mezoura")
	for name, text := range map[string]string{
		"rules.mk":           "INCLUDE_DIR:=$(TOPDIR)/include\nINSTALL_DIR:=install -d\nINSTALL_BIN:=install -m0755\nINSTALL_DATA:=install -m0644\nCP:=cp -R\nPKG_BUILD_DIR:=$(TOPDIR)/build\nGO_ARCH_DEPENDS:=@(x)\n",
		"include/package.mk": "",
		"feeds/packages/lang/golang/golang-package.mk": `define GoBinPackage
endef
GoPackage/Package/Install/Bin=install -d $(1)/usr/bin; install -m0755 $(PKG_BUILD_DIR)/service/mezoura/main.go $(1)/usr/bin/mezoura
define BuildPackage
$(call Package/$(1))
prepare:
	$(call Build/Prepare)
	$(call Package/$(1)/install,$(TOPDIR)/root)
show:
	@echo 'depends $$(DEPENDS)'
	@echo 'user $$(USERID)'
	@echo 'conffiles $$(strip $$(Package/$(1)/conffiles))'
	@echo 'go $$(GO_PKG) $$(GO_PKG_BUILD_PKG) $$(GO_PKG_TAGS) $$(GO_PKG_LDFLAGS_X)'
	@echo 'flags $$(PKG_BUILD_FLAGS) $$(PKG_BUILD_DEPENDS)'
	@echo 'source $$(PKG_SOURCE)'
endef
`,
		"feeds/mezoura/go.mod":                  "module x\n",
		"feeds/mezoura/go.sum":                  "",
		"feeds/mezoura/LICENSE":                 "",
		"feeds/mezoura/bpf/x.o":                 "",
		"feeds/mezoura/ubus/x.go":               "",
		"feeds/mezoura/service/mezoura/main.go": "",
	} {
		name = filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(feed, 0o755); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command("cp", "-R", "Makefile", "files", feed).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	makes := func(dir string, args ...string) string {
		t.Helper()
		cmd := exec.Command("make", append([]string{"--no-print-directory", "TOPDIR=" + top}, args...)...)
		cmd.Dir = dir
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("make %v: %v\n%s", args, err, output)
		}
		return string(output)
	}
	want := `depends @(x) +kmod-sched-core +kmod-sched-bpf +libubus +libubox
user mezoura:mezoura
conffiles /etc/config/mezoura
go github.com/mezoura/mezoura github.com/mezoura/mezoura/service/mezoura libubus,nethttpomithttp2 main.version=VERSION
flags no-mips16 golang/host
source `
	want = strings.Replace(want, "VERSION", packageVersion(t), 1)
	if got := makes(feed, "show"); strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	makes(feed, "prepare")
	for name, mode := range map[string]os.FileMode{
		"etc/init.d/mezoura": 0o755, "etc/config/mezoura": 0o644, "etc/uci-defaults/60-mezoura": 0o755, "usr/bin/mezoura": 0o755,
		"etc/capabilities/mezoura.json": 0o644, "usr/share/acl.d/mezoura.json": 0o644, "lib/upgrade/keep.d/mezoura": 0o644,
	} {
		info, err := os.Stat(filepath.Join(top, "root", name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, error %v; want mode %o", name, info, err, mode)
		}
	}
	// In somebody else's feed there is no source beside it.
	if err := os.Remove(filepath.Join(top, "feeds/mezoura/go.mod")); err != nil {
		t.Fatal(err)
	}
	if got := makes(feed, "show"); !strings.Contains(got, "source mezoura-"+packageVersion(t)+".tar.gz\n") {
		t.Errorf("without the tree:\n%s", got)
	}
}

func packageVersion(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "PKG_VERSION:=")
	version, _, found := strings.Cut(rest, "\n")
	if !found {
		t.Fatal("no PKG_VERSION")
	}
	return version
}
