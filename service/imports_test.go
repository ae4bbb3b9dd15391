// SPDX-License-Identifier: GPL-2.0-only

package service_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/mezoura/mezoura/"

// allowed are the imports of ours that each package may have outside tests; what is not listed may have none.
var allowed = map[string][]string{
	"ubus":                    {"ubus/blobmsg", "ubus/internal/proto"},
	"ubus/broker":             {"ubus/blobmsg", "ubus/internal/proto"},
	"ubus/internal/proto":     {"ubus/blobmsg"},
	"service/config":          {"service/uci"},
	"service/hosts":           {"service/account", "service/config", "service/uci"},
	"service/links":           {"service/nlattr"},
	"service/offload":         {"service/nlattr"},
	"service/networks":        {"service/links"},
	"service/networks/netifd": {"service/networks", "ubus", "ubus/blobmsg"},
	"service/export":          {"service/account"},
	"service/object":          {"service/account", "ubus", "ubus/blobmsg"},
	"service/cli":             {"ubus", "ubus/blobmsg"},
	"service": {"bpf", "ubus", "ubus/broker", "service/account", "service/config", "service/export", "service/hosts", "service/links",
		"service/networks", "service/networks/netifd", "service/object", "service/offload", "service/uci"},
	"service/mezoura": {"service", "service/config", "service/cli"},
}

// TestImports holds the tree to the directions that ARCHITECTURE.md draws.
func TestImports(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			if name := d.Name(); name == "node_modules" || name == ".git" || name == "build" || rel == "tools" || rel == "service/lab" ||
				rel == "luci-app-mezoura" || rel == "openwrt-package" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		from := filepath.ToSlash(filepath.Dir(rel))
		seen[from] = true
		for _, spec := range file.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			if name == "os/exec" {
				t.Errorf("%s imports os/exec: the daemon starts no programs", rel)
			}
			to, ours := strings.CutPrefix(name, module)
			if !ours {
				continue
			}
			ok := false
			for _, a := range allowed[from] {
				ok = ok || a == to
			}
			if !ok {
				t.Errorf("%s: %s must not import %s", rel, from, to)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for p := range allowed {
		if !seen[p] {
			t.Errorf("%s is allowed imports and does not exist: has it moved?", p)
		}
	}
}
