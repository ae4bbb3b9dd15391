// SPDX-License-Identifier: GPL-2.0-only

package pack

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

// File is one file of a package. All belong to root.
type File struct {
	Path   string // on the router, absolute
	Source string // here; "" when Data is the content
	Data   []byte
	Mode   fs.FileMode // permissions only
	Config bool        // the user's: an upgrade leaves a changed one alone
}

// Package is one package, before any format.
type Package struct {
	Name, Arch                        string // Arch "all": any
	Title, Description                string
	Section, License, URL, Maintainer string
	Source                            string // where in the feed it comes from
	Depends                           []string
	User                              string // USERID: made at installation
	Files                             []File
	PostInstall                       string // shell, after OpenWrt's default_postinst, on the running router
}

// Add puts the file source at path.
func (p *Package) Add(path string, mode fs.FileMode, source string) {
	p.Files = append(p.Files, File{Path: path, Mode: mode, Source: source})
}

// AddTree puts every file below the folder source below path. Scripts are the
// files in folders of scripts, whatever their mode here.
func (p *Package) AddTree(at, source string) error {
	return filepath.WalkDir(source, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("pack %s: neither file nor folder", name)
		}
		rel, err := filepath.Rel(source, name)
		if err != nil {
			return err
		}
		to := path.Join(at, filepath.ToSlash(rel))
		mode := fs.FileMode(0o644)
		switch path.Dir(to) {
		case "/etc/init.d", "/etc/uci-defaults", "/usr/bin", "/usr/sbin", "/usr/libexec/rpcd":
			mode = 0o755
		}
		p.Add(to, mode, name)
		return nil
	})
}

// Folders lists the folders the files are in, without the root, parents first.
func (p *Package) Folders() []string {
	seen := make(map[string]bool)
	for _, f := range p.Files {
		for d := path.Dir(f.Path); d != "/"; d = path.Dir(d) {
			seen[d] = true
		}
	}
	list := make([]string, 0, len(seen))
	for d := range seen {
		list = append(list, d)
	}
	sort.Strings(list)
	return list
}

// Configs lists the user's own files.
func (p *Package) Configs() []string {
	var list []string
	for _, f := range p.Files {
		if f.Config {
			list = append(list, f.Path)
		}
	}
	sort.Strings(list)
	return list
}

// sorted is the files by path, each path once.
func (p *Package) sorted() ([]File, error) {
	files := append([]File(nil), p.Files...)
	sort.Slice(files, func(i, j int) bool { return files[i].Path < files[j].Path })
	for i := 1; i < len(files); i++ {
		if files[i].Path == files[i-1].Path {
			return nil, fmt.Errorf("pack %s: %s given twice", p.Name, files[i].Path)
		}
	}
	return files, nil
}

// stage writes the package's files below root, which must not exist.
func (p *Package) stage(root string, r Release) error {
	files, err := p.sorted()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	for _, d := range p.Folders() {
		if err := os.Mkdir(filepath.Join(root, d), 0o755); err != nil {
			return err
		}
	}
	for _, f := range files {
		data := f.Data
		if f.Source != "" {
			if data, err = os.ReadFile(f.Source); err != nil {
				return err
			}
		}
		to := filepath.Join(root, f.Path)
		if err := os.WriteFile(to, data, f.Mode); err != nil {
			return err
		}
		if err := os.Chmod(to, f.Mode); err != nil { // the umask took some
			return err
		}
		if err := os.Chtimes(to, r.Time, r.Time); err != nil {
			return err
		}
	}
	folders := append([]string{"/"}, p.Folders()...)
	for i := len(folders) - 1; i >= 0; i-- {
		if err := os.Chtimes(filepath.Join(root, folders[i]), r.Time, r.Time); err != nil {
			return err
		}
	}
	return nil
}

// postinst and prerm are what OpenWrt's build system gives every package, with
// the package's own lines after it.
func (p *Package) postinst() string {
	return `#!/bin/sh
[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0
[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
default_postinst "$0" "$@"` + p.after()
}

// after runs the package's own lines and keeps the result of what was before.
func (p *Package) after() string {
	if p.PostInstall == "" {
		return "\n"
	}
	return "\nret=$?\n[ -n \"${IPKG_INSTROOT}\" ] || {\n\t" +
		strings.ReplaceAll(strings.TrimSpace(p.PostInstall), "\n", "\n\t") + "\n}\nexit $ret\n"
}

func (p *Package) prerm() string {
	return `#!/bin/sh
[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
default_prerm "$0" "$@"
`
}
