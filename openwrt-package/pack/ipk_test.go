// SPDX-License-Identifier: GPL-2.0-only

package pack_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mezoura/mezoura/openwrt-package/pack"
)

// The limits on the packages of the real daemon.
const (
	maxDaemon    = 4_000_000  // bytes, the .ipk
	maxInstalled = 12_000_000 // bytes
	maxLuCI      = 40_000     // bytes, the .ipk
)

// feeds is a folder with one feed for each architecture: the one that
// MEZOURA_DIST names, as "make packages" leaves it, with the real daemon; else
// one made here with a program that only knows its version.
func feeds(t *testing.T) (folder string, genuine bool) {
	t.Helper()
	if dist := os.Getenv("MEZOURA_DIST"); dist != "" {
		return filepath.Join(dist, "ipk"), true
	}
	out := t.TempDir()
	makePackages(t, root(t), out)
	return filepath.Join(out, "ipk"), false
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func makePackages(t *testing.T, root, out string, more ...string) {
	t.Helper()
	args := []string{"run", "./openwrt-package/packages", "-out", out, "-main", "./openwrt-package/pack/testdata/daemon"}
	cmd := exec.Command("go", append(append(args, more...), "ipk")...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make packages: %v\n%s", err, output)
	}
}

// archive is a tar archive read whole.
type archive struct {
	t       *testing.T
	headers map[string]*tar.Header
	data    map[string][]byte
	names   []string
}

// open reads a compressed tar archive as opkg does: names begin with "./".
func open(t *testing.T, packed []byte) archive {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	a := archive{t, map[string]*tar.Header{}, map[string][]byte{}, nil}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return a
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(h.Name, "./") {
			t.Errorf("%s: want ./ before it", h.Name)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" && h.Uname != "root" || h.Gname != "" && h.Gname != "root" {
			t.Errorf("%s belongs to %d:%d %s:%s", h.Name, h.Uid, h.Gid, h.Uname, h.Gname)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		a.names = append(a.names, h.Name)
		a.headers[h.Name], a.data[h.Name] = h, body
	}
}

func (a archive) file(name string) []byte {
	a.t.Helper()
	if a.headers[name] == nil {
		a.t.Fatalf("no %s in %v", name, a.names)
	}
	return a.data[name]
}

// wantModes fails for a file that is missing, is one too many or has another mode.
func (a archive) wantModes(want map[string]int64) {
	a.t.Helper()
	for name, h := range a.headers {
		mode, ok := want[name]
		switch {
		case h.Typeflag == tar.TypeDir:
			if h.Mode != 0o755 || !strings.HasSuffix(name, "/") {
				a.t.Errorf("folder %s: mode %o", name, h.Mode)
			}
		case !ok:
			a.t.Errorf("%s: not expected here", name)
		case h.Mode != mode:
			a.t.Errorf("%s: mode %o, want %o", name, h.Mode, mode)
		}
	}
	for name := range want {
		a.file(name)
	}
}

type ipk struct {
	size          int
	control, data archive
	fields        map[string]string
}

func openIPK(t *testing.T, name string) ipk {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	outer := open(t, raw)
	if want := []string{"./debian-binary", "./data.tar.gz", "./control.tar.gz"}; !slices.Equal(outer.names, want) {
		t.Errorf("%s holds %v, want %v", name, outer.names, want)
	}
	if got := string(outer.file("./debian-binary")); got != "2.0\n" {
		t.Errorf("%s: format %q", name, got)
	}
	p := ipk{size: len(raw), control: open(t, outer.file("./control.tar.gz")), data: open(t, outer.file("./data.tar.gz"))}
	p.fields = pack.ParseControl(string(p.control.file("./control")))

	z, err := gzip.NewReader(bytes.NewReader(outer.file("./data.tar.gz")))
	if err != nil {
		t.Fatal(err)
	}
	size, err := io.Copy(io.Discard, z)
	if err != nil {
		t.Fatal(err)
	}
	if p.fields["Installed-Size"] != strconv.FormatInt(size, 10) {
		t.Errorf("%s: Installed-Size %s, want %d bytes", name, p.fields["Installed-Size"], size)
	}
	return p
}

func (p ipk) wantFields(t *testing.T, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if p.fields[name] != value {
			t.Errorf("%s: %q, want %q", name, p.fields[name], value)
		}
	}
	for name, value := range p.fields {
		if value == "" {
			t.Errorf("field %s is empty", name)
		}
	}
}

func version(t *testing.T) string {
	t.Helper()
	r, err := pack.ReadRelease("../mezoura/Makefile", time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return r.Version
}

func only(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, want one file; error %v", pattern, found, err)
	}
	return found[0]
}

func TestPackages(t *testing.T) {
	folder, genuine := feeds(t)
	for _, a := range pack.Archs() {
		t.Run(a.Name, func(t *testing.T) {
			feed := filepath.Join(folder, a.Name)
			daemon := openIPK(t, only(t, filepath.Join(feed, "mezoura_*_"+a.Name+".ipk")))
			checkDaemon(t, a, daemon)
			if installed, _ := strconv.Atoi(daemon.fields["Installed-Size"]); genuine && (daemon.size > maxDaemon || installed > maxInstalled) {
				t.Errorf("%d bytes, %d installed; want at most %d, %d", daemon.size, installed, maxDaemon, maxInstalled)
			}
			checkIndex(t, feed)
			luci := openIPK(t, only(t, filepath.Join(feed, "luci-app-mezoura_*_all.ipk")))
			checkLuCI(t, luci)
			t.Logf("mezoura %d bytes, %s installed; luci-app-mezoura %d bytes", daemon.size, daemon.fields["Installed-Size"], luci.size)
		})
	}
}

func checkDaemon(t *testing.T, a pack.Arch, p ipk) {
	t.Helper()
	p.wantFields(t, map[string]string{
		"Package": "mezoura", "Architecture": a.Name, "Depends": "libc, kmod-sched-core, kmod-sched-bpf",
		"Require-User": "mezoura:mezoura", "License": "GPL-2.0-only", "Section": "net", "Version": version(t) + "-r1",
	})
	p.control.wantModes(map[string]int64{
		"./control": 0o644, "./conffiles": 0o644, "./postinst": 0o755, "./prerm": 0o755,
	})
	if got := string(p.control.file("./conffiles")); got != "/etc/config/mezoura\n" {
		t.Errorf("conffiles %q", got)
	}
	for script, call := range map[string]string{"./postinst": `default_postinst "$0" "$@"`, "./prerm": `default_prerm "$0" "$@"`} {
		if text := string(p.control.file(script)); !strings.HasPrefix(text, "#!/bin/sh\n") || !strings.Contains(text, call) {
			t.Errorf("%s: %s", script, text)
		}
	}
	p.data.wantModes(map[string]int64{
		"./usr/bin/mezoura": 0o755, "./etc/init.d/mezoura": 0o755, "./etc/uci-defaults/60-mezoura": 0o755,
		"./etc/config/mezoura": 0o644, "./etc/capabilities/mezoura.json": 0o644, "./etc/capabilities/mezoura-perfmon.json": 0o644, "./usr/share/acl.d/mezoura.json": 0o644,
		"./lib/upgrade/keep.d/mezoura": 0o644,
	})
	binary := p.data.file("./usr/bin/mezoura")
	checkELF(t, a, binary)
	checkRuns(t, a, binary)
}

// checkELF: a static program for the right machine, and on MIPS one that needs no
// floating point unit, which most routers lack.
func checkELF(t *testing.T, a pack.Arch, binary []byte) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	if f.Machine != a.Machine || f.Class != a.Class || f.Data != a.Data {
		t.Errorf("%v %v %v, want %v %v %v", f.Machine, f.Class, f.Data, a.Machine, a.Class, a.Data)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("not static: %v", p.Type)
		}
	}
	for _, s := range f.Sections {
		if s.Name == ".symtab" || strings.HasPrefix(s.Name, ".debug") || strings.HasPrefix(s.Name, ".zdebug") {
			t.Errorf("not stripped: %s", s.Name)
		}
	}
	if bytes.Contains(binary, []byte(root(t))) {
		t.Errorf("holds the name of the folder it was built in")
	}
	if f.Machine != elf.EM_MIPS {
		return
	}
	abi := f.Section(".MIPS.abiflags")
	if abi == nil {
		t.Fatal("no .MIPS.abiflags")
	}
	flags, err := abi.Data()
	if err != nil || len(flags) < 8 {
		t.Fatalf("%d bytes of .MIPS.abiflags, error %v", len(flags), err)
	}
	if flags[7] != 3 { // Val_GNU_MIPS_ABI_FP_SOFT
		t.Errorf("floating point ABI %d, want 3: software", flags[7])
	}
}

func checkRuns(t *testing.T, a pack.Arch, binary []byte) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "mezoura")
	if err := os.WriteFile(name, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	command := []string{name, "version"}
	// The emulator loses the thread pointer of the threads of an i386 program
	// now and then; an x86_64 processor runs it itself.
	if runtime.GOARCH != "amd64" || a.Machine != elf.EM_386 {
		emulator, err := exec.LookPath("qemu-" + a.QEMU + "-static")
		if err != nil {
			unable(t, "%v: install qemu-user-static", err)
		}
		prefix := []string{emulator}
		if a.Machine == elf.EM_MIPS {
			prefix = append(prefix, "-cpu", "24Kc") // has no floating point unit
		}
		command = append(prefix, command...)
	}
	output, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil || !strings.Contains(string(output), version(t)) {
		t.Errorf("mezoura version: %q, error %v; want %s in it", output, err, version(t))
	}
}

func checkIndex(t *testing.T, feed string) {
	t.Helper()
	plain, err := os.ReadFile(filepath.Join(feed, "Packages"))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := os.Open(filepath.Join(feed, "Packages.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	if unpacked, err := io.ReadAll(z); err != nil || !bytes.Equal(unpacked, plain) {
		t.Errorf("Packages.gz is not Packages; error %v", err)
	}
	listed := 0
	for _, text := range strings.Split(strings.TrimSuffix(string(plain), "\n\n"), "\n\n") {
		f := pack.ParseControl(text)
		data, err := os.ReadFile(filepath.Join(feed, f["Filename"]))
		if err != nil {
			t.Error(err)
			continue
		}
		listed++
		if f["Size"] != strconv.Itoa(len(data)) || f["SHA256sum"] != fmt.Sprintf("%x", sha256.Sum256(data)) {
			t.Errorf("%s: size or sum wrong", f["Filename"])
		}
		if f["Filename"] != f["Package"]+"_"+f["Version"]+"_"+f["Architecture"]+".ipk" {
			t.Errorf("file name %s", f["Filename"])
		}
		inside := openIPK(t, filepath.Join(feed, f["Filename"])).fields
		for name, value := range inside {
			if f[name] != value {
				t.Errorf("%s: %s %q in the index, %q inside", f["Filename"], name, f[name], value)
			}
		}
	}
	if files, _ := filepath.Glob(filepath.Join(feed, "*.ipk")); len(files) != listed || listed < 2 {
		t.Errorf("%d packages listed, %d here", listed, len(files))
	}
}

func checkLuCI(t *testing.T, p ipk) {
	t.Helper()
	p.wantFields(t, map[string]string{
		"Package": "luci-app-mezoura", "Architecture": "all", "Depends": "libc, luci-base, mezoura",
	})
	p.control.wantModes(map[string]int64{"./control": 0o644, "./postinst": 0o755, "./prerm": 0o755})
	if p.size > maxLuCI {
		t.Errorf("%d bytes, want at most %d", p.size, maxLuCI)
	}
	for _, want := range []string{"./www/luci-static/resources/view/mezoura/", "./usr/share/luci/menu.d/", "./usr/share/rpcd/acl.d/"} {
		if !slices.ContainsFunc(p.data.names, func(n string) bool { return strings.HasPrefix(n, want) && n != want }) {
			t.Errorf("nothing in %s", want)
		}
	}
	for name, h := range p.data.headers {
		if h.Typeflag == tar.TypeReg && strings.HasPrefix(name, "./www/") && h.Mode != 0o644 {
			t.Errorf("%s: mode %o", name, h.Mode)
		}
	}
}

// Two trees in different folders, one after the other: the same bytes.
func TestReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("builds two trees")
	}
	copied := filepath.Join(t.TempDir(), "elsewhere", "mezoura")
	if err := os.MkdirAll(copied, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum", "tools", "openwrt-package", "luci-app-mezoura"} {
		if output, err := exec.Command("cp", "-R", filepath.Join(root(t), name), copied).CombinedOutput(); err != nil {
			t.Fatalf("copy %s: %v\n%s", name, err, output)
		}
	}
	first, second := t.TempDir(), t.TempDir()
	makePackages(t, root(t), first, "-arch", "mipsel_24kc")
	makePackages(t, copied, second, "-arch", "mipsel_24kc")
	names, err := filepath.Glob(filepath.Join(first, "ipk/mipsel_24kc/*"))
	if err != nil || len(names) < 4 {
		t.Fatalf("%v, error %v", names, err)
	}
	for _, name := range names {
		a, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(second, "ipk/mipsel_24kc", filepath.Base(name)))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs; error %v", filepath.Base(name), err)
		}
	}
}

// unable skips a test that this machine cannot run, or fails it where nothing may
// be skipped.
func unable(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("MEZOURA_REQUIRE_ROOT") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
