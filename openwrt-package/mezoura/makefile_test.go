// SPDX-License-Identifier: GPL-2.0-only

package mezoura_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
		"etc/capabilities/mezoura.json": 0o644, "etc/capabilities/mezoura-perfmon.json": 0o644, "usr/share/acl.d/mezoura.json": 0o644, "lib/upgrade/keep.d/mezoura": 0o644,
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

// openwrtTree is a tree of OpenWrt's with its feeds packages and luci: their sources, nothing needs to be built.
func openwrtTree(t *testing.T) string {
	t.Helper()
	tree := os.Getenv("MEZOURA_OPENWRT_TREE")
	if tree == "" {
		t.Skip("not tried inside OpenWrt: no tree in MEZOURA_OPENWRT_TREE")
	}
	return tree
}

// What OpenWrt itself reads from our Makefiles.
func TestMakefileInTree(t *testing.T) {
	tree := openwrtTree(t)
	dump := func(dir string, args ...string) string {
		t.Helper()
		cmd := exec.Command("make", append([]string{"--no-print-directory", "-s", "DUMP=1", "TOPDIR=" + tree}, args...)...)
		cmd.Dir = dir
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: make DUMP=1: %v\n%s", dir, err, output)
		}
		return string(output)
	}
	wants := func(text string, lines ...string) {
		t.Helper()
		for _, line := range lines {
			if !strings.Contains("\n"+text, "\n"+line+"\n") {
				t.Errorf("no %q in\n%s", line, text)
			}
		}
	}

	text := dump(".", "--eval", `show: ; $(info conffiles $(strip $(Package/mezoura/conffiles)))$(info go $(GO_PKG_INSTALL_ARGS))`+
		`$(info of $(GO_PKG_BUILD_CONFIG_VARS))$(info compile $(Build/Compile))$(info install $(call Package/mezoura/install,/root))`, "show")
	wants(text, "Build-Depends: golang/host", "Package: mezoura", "Version: "+packageVersion(t)+"-r1", "Section: net", "Category: Network",
		"Require-User: mezoura:mezoura", "License: GPL-2.0-only", "LicenseFiles: LICENSE", "URL: https://github.com/mezoura/mezoura", "Type: ipkg",
		"conffiles /etc/config/mezoura")
	field := func(name string) string {
		_, rest, _ := strings.Cut("\n"+text, "\n"+name)
		line, _, _ := strings.Cut(rest, "\n")
		return " " + line + " "
	}
	for _, dependency := range []string{"+libc", "+kmod-sched-core", "+kmod-sched-bpf", "+libubus", "+libubox"} {
		if !strings.Contains(field("Depends:"), " "+dependency+" ") {
			t.Errorf("does not depend on %s:%s", dependency, field("Depends:"))
		}
	}
	for _, arch := range []string{"aarch64", "arm", "mips", "mipsel", "x86_64", "riscv64"} {
		if !regexp.MustCompile(`@\(([^)]*\|)?` + arch + `[|)]`).MatchString(field("Depends:")) {
			t.Errorf("not for %s:%s", arch, field("Depends:"))
		}
	}
	for name, want := range map[string]string{
		"go ":      `-tags "libubus,nethttpomithttp2"`,
		"of ":      `GO_BUILD_PKG="github.com/mezoura/mezoura/service/mezoura"`,
		"compile ": "golang-build.sh build ",
		"install ": `golang-build.sh install_bin "/root"`,
	} {
		if !strings.Contains(field(name), want) {
			t.Errorf("no %s in %s:%s", want, name, field(name))
		}
	}
	if want := " -X main.version=" + packageVersion(t) + " "; !strings.Contains(field("go "), want) {
		t.Errorf("no %s in%s", want, field("go "))
	}

	text = dump("../../luci-app-mezoura")
	wants(text, "Package: luci-app-mezoura", "Depends: +libc +luci-base +mezoura", "Section: luci", "Category: LuCI", "Submenu: 3. Applications",
		"Maintainer: Mezoura developers <mezoura@users.noreply.github.com>", "License: GPL-2.0-only", "URL: https://github.com/mezoura/mezoura", "Type: ipkg")
	languages, err := filepath.Glob("../../luci-app-mezoura/po/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range languages {
		language := filepath.Base(dir)
		if language == "templates" {
			continue
		}
		code := strings.ToLower(strings.ReplaceAll(language, "_", "-"))
		if language == "zh_Hans" {
			code = "zh-cn"
		}
		wants(text, "Package: luci-i18n-mezoura-"+code)
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
