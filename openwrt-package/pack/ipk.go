// SPDX-License-Identifier: GPL-2.0-only

package pack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// NFPM is the command line that runs nfpm, the packager, and where.
type NFPM struct {
	Command []string
	Dir     string
}

// IPK writes the package into the folder out as NAME_VERSION_ARCH.ipk, with
// what it needs on the way below the folder work, and returns the file's name.
func (p *Package) IPK(n NFPM, r Release, work, out string) (string, error) {
	work = filepath.Join(work, p.Name+"_"+p.Arch)
	if err := os.RemoveAll(work); err != nil {
		return "", err
	}
	if err := p.stage(filepath.Join(work, "root"), r); err != nil {
		return "", fmt.Errorf("stage %s: %w", p.Name, err)
	}
	config, err := p.nfpm(r, work)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(work, "nfpm.json"), config, 0o644); err != nil {
		return "", err
	}
	raw := filepath.Join(work, "nfpm.ipk")
	args := append(n.Command[1:len(n.Command):len(n.Command)],
		"package", "--packager", "ipk", "--config", filepath.Join(work, "nfpm.json"), "--target", raw)
	cmd := exec.Command(n.Command[0], args...)
	cmd.Dir = n.Dir
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("run nfpm for %s: %w\n%s", p.Name, err, output)
	}
	data, err := os.ReadFile(raw)
	if err != nil {
		return "", err
	}
	if data, err = finish(data, r.Time); err != nil {
		return "", fmt.Errorf("finish %s: %w", p.Name, err)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s_%s_%s.ipk", p.Name, r.Full(), p.Arch)
	return name, os.WriteFile(filepath.Join(out, name), data, 0o644)
}

// nfpm is nfpm's configuration: YAML, of which JSON is a part.
func (p *Package) nfpm(r Release, work string) ([]byte, error) {
	type info struct {
		Mode  int       `json:"mode"`
		MTime time.Time `json:"mtime"`
		Owner string    `json:"owner"`
		Group string    `json:"group"`
	}
	type content struct {
		Source string `json:"src,omitempty"`
		Target string `json:"dst"`
		Type   string `json:"type,omitempty"`
		Info   info   `json:"file_info"`
	}
	files, err := p.sorted()
	if err != nil {
		return nil, err
	}
	var contents []content
	for _, d := range p.Folders() {
		contents = append(contents, content{Target: d, Type: "dir", Info: info{0o755, r.Time, "root", "root"}})
	}
	for _, f := range files {
		c := content{
			Source: filepath.Join(work, "root", f.Path), Target: f.Path,
			Info: info{int(f.Mode), r.Time, "root", "root"},
		}
		if f.Config {
			c.Type = "config"
		}
		contents = append(contents, c)
	}
	scripts := map[string]string{"postinstall": p.postinst(), "preremove": p.prerm()}
	for name, text := range scripts {
		file := filepath.Join(work, name)
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			return nil, err
		}
		scripts[name] = file
	}
	fields := map[string]string{
		"Source": p.Source, "SourceName": strings.SplitN(p.Name, "_", 2)[0],
		"SourceDateEpoch": strconv.FormatInt(r.Time.Unix(), 10), "URL": p.URL,
	}
	if p.User != "" {
		fields["Require-User"] = p.User
	}
	return json.MarshalIndent(map[string]any{
		"name": p.Name, "arch": p.Arch, "platform": "linux", "version": r.Version, "release": "r" + r.Number,
		"version_schema": "none", "section": p.Section, "maintainer": p.Maintainer, "license": p.License,
		"description": p.Description, "mtime": r.Time, "depends": append([]string{"libc"}, p.Depends...),
		"contents": contents, "scripts": scripts,
		"ipk": map[string]any{"arch": p.Arch, "fields": fields},
	}, "", "  ")
}

// finish makes of nfpm's package one as OpenWrt's own build makes it: the fields
// in its order, Installed-Size in bytes (nfpm counts KiB, opkg takes bytes to see
// whether there is room), no empty list of configuration files, numeric owners,
// the best compression.
func finish(ipk []byte, at time.Time) ([]byte, error) {
	outer, err := untar(ipk)
	if err != nil {
		return nil, err
	}
	data, err := untar(outer.body("data.tar.gz"))
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	control, err := untar(outer.body("control.tar.gz"))
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	packedData, size, err := retar(data, at)
	if err != nil {
		return nil, err
	}
	var kept members
	for _, m := range control {
		switch m.name() {
		case "control":
			m.data = orderControl(string(m.data), size)
		case "conffiles":
			m.data = append(bytes.TrimSpace(m.data), '\n')
			if len(m.data) == 1 {
				continue
			}
		}
		kept = append(kept, m)
	}
	packedControl, _, err := retar(kept, at)
	if err != nil {
		return nil, err
	}
	all, _, err := retar(members{
		file("./debian-binary", []byte("2.0\n")),
		file("./data.tar.gz", packedData),
		file("./control.tar.gz", packedControl),
	}, at)
	return all, err
}

// orderControl puts the fields in the order of OpenWrt's own packages.
func orderControl(text string, installed int64) []byte {
	fields := ParseControl(text)
	delete(fields, "Priority") // not a thing of OpenWrt's
	fields["Installed-Size"] = strconv.FormatInt(installed, 10)
	var b bytes.Buffer
	for _, name := range controlOrder() {
		if v, ok := fields[name]; ok {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	return b.Bytes()
}

func controlOrder() []string {
	return []string{
		"Package", "Version", "Depends", "Conflicts", "Provides", "Source", "SourceName", "License", "Section",
		"Require-User", "SourceDateEpoch", "URL", "Maintainer", "Architecture", "Installed-Size", "Description",
	}
}

// ParseControl reads the fields of one package; further lines of a value follow
// it with their blank.
func ParseControl(text string) map[string]string {
	fields := make(map[string]string)
	last := ""
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if strings.HasPrefix(line, " ") && last != "" {
			fields[last] += "\n" + line
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		last = name
		fields[name] = strings.TrimSpace(value)
	}
	return fields
}

// member is one entry of a tar archive.
type member struct {
	header tar.Header
	data   []byte
}

func (m member) name() string { return strings.TrimPrefix(m.header.Name, "./") }

type members []member

func (l members) body(name string) []byte {
	for _, m := range l {
		if m.name() == name {
			return m.data
		}
	}
	return nil
}

func file(name string, data []byte) member {
	return member{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, data}
}

// untar reads a compressed tar archive of files and folders.
func untar(data []byte) (members, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var list members
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
			return nil, fmt.Errorf("read %s: neither file nor folder", h.Name)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		list = append(list, member{*h, body})
	}
}

// retar is the members as a compressed archive, and its size before compression.
func retar(list members, at time.Time) ([]byte, int64, error) {
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for _, m := range list {
		name := "./" + m.name()
		if m.header.Typeflag == tar.TypeDir && !strings.HasSuffix(name, "/") {
			name += "/"
		}
		h := &tar.Header{
			Name: name, Typeflag: m.header.Typeflag, Mode: m.header.Mode & 0o7777, Size: int64(len(m.data)),
			ModTime: at, Format: tar.FormatGNU,
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, 0, err
		}
		if _, err := w.Write(m.data); err != nil {
			return nil, 0, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, 0, err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, 0, err
	}
	size := int64(plain.Len())
	if _, err := plain.WriteTo(z); err != nil {
		return nil, 0, err
	}
	if err := z.Close(); err != nil {
		return nil, 0, err
	}
	return packed.Bytes(), size, nil
}
