// SPDX-License-Identifier: GPL-2.0-only

package pack

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// APK writes the package into the folder out as NAME-VERSION.apk in the format
// of apk 3, which the tool apk itself makes, and returns the file's name.
func (p *Package) APK(apk []string, r Release, work, out string) (string, error) {
	work = filepath.Join(work, p.Name+"_"+p.Arch)
	if err := os.RemoveAll(work); err != nil {
		return "", err
	}
	with, err := p.withAPKLists()
	if err != nil {
		return "", err
	}
	root := filepath.Join(work, "root")
	if err := with.stage(root, r); err != nil {
		return "", fmt.Errorf("stage %s: %w", p.Name, err)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s-%s.apk", p.Name, r.Full())
	args := append([]string(nil), apk[1:]...)
	args = append(args, "mkpkg")
	for _, i := range p.apkInfo(r) {
		args = append(args, "--info", i)
	}
	scripts := p.apkScripts()
	kinds := make([]string, 0, len(scripts))
	for kind := range scripts {
		kinds = append(kinds, kind)
	}
	sort.Strings(kinds)
	for _, kind := range kinds {
		file := filepath.Join(work, kind)
		if err := os.WriteFile(file, []byte(scripts[kind]), 0o755); err != nil {
			return "", err
		}
		args = append(args, "--script", kind+":"+file)
	}
	args = append(args, "--files", root, "--output", filepath.Join(out, name))
	if err := runAPK(apk[0], args, r); err != nil {
		return "", fmt.Errorf("make %s: %w", name, err)
	}
	return name, nil
}

// IndexAPK writes packages.adb for the .apk files of a folder, which apk then
// takes as a repository. It is not signed.
func IndexAPK(apk []string, r Release, folder string) error {
	names, err := filepath.Glob(filepath.Join(folder, "*.apk"))
	if err != nil {
		return err
	}
	sort.Strings(names)
	args := append([]string(nil), apk[1:]...)
	args = append(args, "mkndx", "--allow-untrusted", "--output", filepath.Join(folder, "packages.adb"))
	return runAPK(apk[0], append(args, names...), r)
}

func runAPK(name string, args []string, r Release) error {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.Time.Unix()))
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run apk: %w\n%s", err, output)
	}
	return nil
}

// withAPKLists is the package with the lists that OpenWrt's default_postinst and
// sysupgrade read where apk is the package manager.
func (p *Package) withAPKLists() (*Package, error) {
	with := *p
	with.Files = append([]File(nil), p.Files...)
	base := "/lib/apk/packages/" + p.Name
	put := func(suffix, text string) {
		with.Files = append(with.Files, File{Path: base + suffix, Mode: fs.FileMode(0o644), Data: []byte(text)})
	}
	if p.User != "" {
		put(".rusers", p.User+"\n")
	}
	var paths, configs, sums []string
	for _, f := range p.Files {
		if !f.Config {
			continue
		}
		data := f.Data
		if f.Source != "" {
			var err error
			if data, err = os.ReadFile(f.Source); err != nil {
				return nil, err
			}
		}
		configs = append(configs, f.Path)
		sums = append(sums, fmt.Sprintf("%s %x", f.Path, sha256.Sum256(data)))
	}
	for _, f := range with.Files {
		paths = append(paths, f.Path)
	}
	sort.Strings(paths)
	put(".list", strings.Join(paths, "\n")+"\n")
	if len(configs) > 0 {
		put(".conffiles", strings.Join(configs, "\n")+"\n")
		put(".conffiles_static", strings.Join(sums, "\n")+"\n")
	}
	return &with, nil
}

func (p *Package) apkInfo(r Release) []string {
	arch := p.Arch
	if arch == "all" {
		arch = "noarch"
	}
	info := []string{
		"name:" + p.Name, "version:" + r.Full(), "description:" + p.Description, "arch:" + arch,
		"license:" + p.License, "origin:" + p.Source, "url:" + p.URL, "maintainer:" + p.Maintainer,
		"depends:" + strings.Join(append([]string{"libc"}, p.Depends...), " "),
	}
	return info
}

// apkScripts is what OpenWrt's build system gives every package.
func (p *Package) apkScripts() map[string]string {
	install := `[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0
[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
export root="${IPKG_INSTROOT}"
export pkgname="` + p.Name + `"
add_group_and_user
default_postinst` + p.after()
	return map[string]string{
		"post-install": "#!/bin/sh\n" + install,
		"post-upgrade": "#!/bin/sh\nexport PKG_UPGRADE=1\n" + install,
		"pre-deinstall": `#!/bin/sh
[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
export root="${IPKG_INSTROOT}"
export pkgname="` + p.Name + `"
default_prerm
`,
	}
}
