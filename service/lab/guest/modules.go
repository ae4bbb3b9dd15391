// SPDX-License-Identifier: GPL-2.0-only

package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// addModules puts modules and what they depend on into the archive, and the order in which to load them into
// /modules/list. A module that the kernel has built in needs nothing; one that it lacks is left out, and the test that
// needs it says so.
func (k *Kernel) addModules(ctx context.Context, a *archive, names []string) error {
	if _, err := os.Stat(filepath.Join(k.Modules, "modules.dep")); err != nil {
		base := strings.TrimSuffix(k.Modules, filepath.Join("/lib/modules", k.Version))
		if err := run(ctx, k.Modules, "depmod", "-b", base, k.Version); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(filepath.Join(k.Modules, "modules.dep"))
	if err != nil {
		return fmt.Errorf("read modules.dep: %w", err)
	}
	needs, paths := map[string][]string{}, map[string]string{}
	for _, line := range strings.Split(string(text), "\n") {
		file, rest, found := strings.Cut(line, ":")
		if !found {
			continue
		}
		name := moduleName(file)
		paths[name] = file
		for _, other := range strings.Fields(rest) {
			needs[name] = append(needs[name], moduleName(other))
		}
	}
	var order []string
	added := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		if added[name] || paths[name] == "" {
			return
		}
		added[name] = true
		for _, other := range needs[name] {
			add(other)
		}
		order = append(order, name+".ko")
	}
	for _, name := range names {
		add(strings.ReplaceAll(name, "-", "_"))
	}
	for _, file := range order {
		name := strings.TrimSuffix(file, ".ko")
		data, err := decompress(ctx, filepath.Join(k.Modules, paths[name]))
		if err != nil {
			return fmt.Errorf("read module %s: %w", name, err)
		}
		a.file("modules/"+file, 0o644, data)
	}
	a.file("modules/list", 0o644, []byte(strings.Join(order, "\n")))
	return nil
}

// moduleName is the name of the module in a file such as kernel/net/8021q/8021q.ko.xz.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// decompress reads a module as its name says it is packed.
func decompress(ctx context.Context, file string) ([]byte, error) {
	tool := map[string]string{".xz": "xz", ".gz": "gzip", ".zst": "zstd"}[filepath.Ext(file)]
	if tool == "" {
		return os.ReadFile(file)
	}
	out, err := output(ctx, filepath.Dir(file), tool, "-dc", file)
	return []byte(out), err
}

// addTool puts a program of this machine and the libraries it is linked with into the archive.
func addTool(ctx context.Context, a *archive, path string) error {
	a.copy(path, path)
	out, err := output(ctx, "/", "ldd", path)
	if err != nil {
		if strings.Contains(err.Error(), "not a dynamic executable") {
			return nil
		}
		return err
	}
	for _, line := range strings.Split(out, "\n") {
		for _, field := range strings.Fields(line) {
			if strings.HasPrefix(field, "/") {
				a.copy(field, field)
			}
		}
		if strings.Contains(line, "not found") {
			return errors.New("library missing: " + strings.TrimSpace(line))
		}
	}
	return nil
}
