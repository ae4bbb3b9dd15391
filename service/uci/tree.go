// SPDX-License-Identifier: GPL-2.0-only

// Package uci reads OpenWrt's configuration files as libuci does, and remembers
// on which line each value stands. It writes nothing.
//
// A Tree holds the packages it has read until LoadConfig is told to read again;
// it has no descriptors open between calls and is safe for concurrent use. A
// Package is immutable. Changes that `uci set` keeps in /tmp/.uci until `uci
// commit` are not seen: a service acts on what was committed.
//
// The methods of Tree that github.com/digineo/go-uci has too mean the same there.
package uci

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// DefaultDir is where OpenWrt keeps its configuration.
const DefaultDir = "/etc/config"

// maxFile bounds what one file may cost. The largest in real use are some
// hundred kilobytes of static hosts or firewall rules.
const maxFile = 8 << 20

// Tree is a directory of configuration files.
type Tree struct {
	root string

	mu       sync.Mutex
	packages map[string]*Package
}

// NewTree is the tree of the files in root.
func NewTree(root string) *Tree {
	return &Tree{root: root, packages: make(map[string]*Package)}
}

// LoadConfig reads a file unless it was read before, or again when told to. The
// error wraps what the system said, or holds every line that cannot be read as
// Errors. After an error the package is not there.
func (t *Tree) LoadConfig(name string, forceReload bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := t.load(name, forceReload)
	return err
}

func (t *Tree) load(name string, force bool) (*Package, error) {
	if p := t.packages[name]; p != nil && !force {
		return p, nil
	}
	delete(t.packages, name)
	if !validName(name, packageName) {
		return nil, fmt.Errorf("load config %q: %w", name, fs.ErrInvalid)
	}
	path := filepath.Join(t.root, name)
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("load config: %w", err)
	}
	p, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	t.packages[name] = p
	return p, nil
}

// readFile reads a regular file of bounded size.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("larger than %d bytes", maxFile)}
	}
	return data, err
}

// pkg is a package, read now if it was not yet.
func (t *Tree) pkg(name string) (*Package, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, err := t.load(name, false)
	return p, err == nil
}

// GetSections names the sections of a type: "@type[0]" stands for the first if it
// has no name of its own. It is false when the file cannot be read.
func (t *Tree) GetSections(config, sectionType string) ([]string, bool) {
	p, ok := t.pkg(config)
	if !ok {
		return nil, false
	}
	names := []string{}
	for i, s := range p.types[sectionType] {
		names = append(names, s.ref(i))
	}
	return names, true
}

// Get is all values of an option: one, or those of a list.
func (t *Tree) Get(config, section, option string) ([]string, bool) {
	p, ok := t.pkg(config)
	if !ok {
		return nil, false
	}
	o := p.Section(section).Option(option)
	if o == nil {
		return nil, false
	}
	values := make([]string, len(o.Values))
	for i, v := range o.Values {
		values[i] = v.Text
	}
	return values, true
}

// GetLast is the last value of an option.
func (t *Tree) GetLast(config, section, option string) (string, bool) {
	values, ok := t.Get(config, section, option)
	if !ok || len(values) == 0 {
		return "", false
	}
	return values[len(values)-1], true
}

// GetBool is the last value of an option as OpenWrt's scripts understand it;
// false, false when it is neither true nor false.
func (t *Tree) GetBool(config, section, option string) (value, ok bool) {
	v, _ := t.GetLast(config, section, option)
	switch strings.ToLower(v) {
	case "1", "on", "true", "yes", "enabled":
		return true, true
	case "0", "off", "false", "no", "disabled":
		return false, true
	}
	return false, false
}

// Sections is every section in the order of the file: names as GetSections gives
// them, and types.
func (t *Tree) Sections(config string) (names, types []string) {
	p, ok := t.pkg(config)
	if !ok {
		return nil, nil
	}
	seen := make(map[string]int)
	for _, s := range p.Sections {
		names = append(names, s.ref(seen[s.Type]))
		types = append(types, s.Type)
		seen[s.Type]++
	}
	return names, types
}

// OptionNames is every option of a section in the order of the file.
func (t *Tree) OptionNames(config, section string) []string {
	p, ok := t.pkg(config)
	if !ok || p.Section(section) == nil {
		return nil
	}
	var names []string
	for _, o := range p.Section(section).Options {
		names = append(names, o.Name)
	}
	return names
}

// Where is the file and line of a value, of the section if index is negative or
// there is no such value, and line 0 if there is no such section either.
func (t *Tree) Where(config, section, option string, index int) (file string, line int) {
	p, ok := t.pkg(config)
	if !ok {
		return filepath.Join(t.root, config), 0
	}
	s := p.Section(section)
	if s == nil {
		return p.File, 0
	}
	if o := s.Option(option); o != nil && index >= 0 && index < len(o.Values) {
		return p.File, o.Values[index].Line
	}
	return p.File, s.Line
}
