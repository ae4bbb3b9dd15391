// SPDX-License-Identifier: GPL-2.0-only

package pack

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

const (
	license    = "GPL-2.0-only"
	url        = "https://github.com/mezoura/mezoura"
	maintainer = "Mezoura developers <mezoura@users.noreply.github.com>"

	// Without HTTP/2, which no scraper asks for without TLS: 0.13 MB of a package.
	buildTags = "netgo,osusergo,nethttpomithttp2"
)

// Tree is the source tree the packages are made of.
type Tree struct {
	Root string // absolute
	Main string // import path or ./folder of the command, relative to Root
}

// Build compiles the command for an architecture into the file out: static,
// stripped, the same bytes wherever the tree lies.
func (t Tree) Build(a Arch, r Release, out string) error {
	args := []string{
		"build", "-trimpath", "-buildvcs=false", "-tags", buildTags,
		"-ldflags", "-s -w -buildid= -X main.version=" + r.Version,
	}
	for _, pattern := range coldCode() {
		args = append(args, "-gcflags="+pattern+"=-l")
	}
	cmd := exec.Command("go", append(args, "-o", out, t.Main)...)
	cmd.Dir = t.Root
	cmd.Env = append(clean(os.Environ()), append([]string{"CGO_ENABLED=0", "GOOS=linux", "GOWORK=off"}, a.Env...)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s for %s: %w", t.Main, a.Name, err)
	}
	return nil
}

// coldCode is what is large and runs seldom or never: TLS comes with net/http, and
// most of the BPF library is for programs other than ours. Without inlining it is
// 6 % of a package smaller.
func coldCode() []string {
	return []string{
		"crypto/...", "net/...", "encoding/json", "encoding/asn1", "vendor/...",
		"github.com/cilium/ebpf/...", "github.com/florianl/go-tc/...",
	}
}

// clean takes out what would change the build from one machine to the next.
func clean(env []string) []string {
	var kept []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		switch name {
		case "GOFLAGS", "GOARCH", "GOOS", "GOARM", "GOARM64", "GOMIPS", "GO386", "GOAMD64", "GORISCV64", "GOEXPERIMENT", "CGO_ENABLED":
		default:
			kept = append(kept, e)
		}
	}
	return kept
}

// Daemon is the package of the daemon, with the binary given. It is installed
// as the feed's Makefile installs it.
func (t Tree) Daemon(a Arch, binary string) *Package {
	files := filepath.Join(t.Root, "openwrt-package/mezoura/files")
	p := &Package{
		Name: "mezoura", Arch: a.Name, Section: "net", License: license, URL: url, Maintainer: maintainer,
		Source: "feeds/mezoura/openwrt-package/mezoura",
		Title:  "Traffic accounting for every host of the LAN",
		Description: "Counts exactly what every host of the LAN sends to and receives from the internet, " +
			"with an eBPF classifier on the LAN's devices. Publishes it on ubus, for Prometheus and, " +
			"with luci-app-mezoura, in LuCI.",
		Depends: []string{"kmod-sched-core", "kmod-sched-bpf"},
		User:    "mezoura:mezoura",
	}
	p.Add("/usr/bin/mezoura", 0o755, binary)
	p.Add("/etc/init.d/mezoura", 0o755, filepath.Join(files, "mezoura.init"))
	p.Add("/etc/uci-defaults/60-mezoura", 0o755, filepath.Join(files, "mezoura.defaults"))
	p.Add("/etc/capabilities/mezoura.json", 0o644, filepath.Join(files, "mezoura.capabilities.json"))
	p.Add("/etc/capabilities/mezoura-perfmon.json", 0o644, filepath.Join(files, "mezoura-perfmon.capabilities.json"))
	p.Add("/usr/share/acl.d/mezoura.json", 0o644, filepath.Join(files, "mezoura.acl.json"))
	p.Add("/lib/upgrade/keep.d/mezoura", 0o644, filepath.Join(files, "mezoura.keep"))
	p.Files = append(p.Files, File{
		Path: "/etc/config/mezoura", Mode: 0o644, Source: filepath.Join(files, "mezoura.config"), Config: true,
	})
	return p
}

// LuCI is the application and, as everywhere in LuCI, one package for each
// language it is translated into.
func (t Tree) LuCI() ([]*Package, error) {
	app := filepath.Join(t.Root, "luci-app-mezoura")
	p := &Package{
		Name: "luci-app-mezoura", Arch: "all", Section: "luci", License: license, URL: url, Maintainer: maintainer,
		Source:      "feeds/mezoura/luci-app-mezoura",
		Title:       "LuCI support for Mezoura",
		Description: "LuCI pages that show what every host of the LAN sends and receives, live.",
		Depends:     []string{"luci-base", "mezoura"},
		PostInstall: "rm -f /tmp/luci-indexcache.*\nrm -rf /tmp/luci-modulecache/\n/etc/init.d/rpcd reload 2>/dev/null",
	}
	if err := p.AddTree("/www", filepath.Join(app, "htdocs")); err != nil {
		return nil, err
	}
	if err := p.AddTree("/", filepath.Join(app, "root")); err != nil {
		return nil, err
	}
	list := []*Package{p}

	catalogs, err := filepath.Glob(filepath.Join(app, "po/*/*.po"))
	if err != nil {
		return nil, err
	}
	languages := make(map[string]*Package)
	for _, file := range catalogs {
		language := filepath.Base(filepath.Dir(file))
		if language == "templates" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		lmo, err := CompilePO(text)
		if err != nil {
			return nil, fmt.Errorf("compile %s: %w", file, err)
		}
		if len(lmo) == 0 {
			continue // nothing translated yet
		}
		code := languageCode(language)
		i := languages[code]
		if i == nil {
			i = translation(code)
			languages[code] = i
			list = append(list, i)
		}
		base := strings.TrimSuffix(filepath.Base(file), ".po")
		i.Files = append(i.Files, File{
			Path: path.Join("/usr/lib/lua/luci/i18n", base+"."+code+".lmo"), Mode: 0o644, Data: lmo,
		})
	}
	return list, nil
}

// languageCode is LuCI's name of a language whose folder has gettext's.
func languageCode(folder string) string {
	switch folder {
	case "zh_Hans":
		return "zh-cn"
	case "zh_Hant":
		return "zh-tw"
	case "nb_NO":
		return "no"
	case "bn_BD":
		return "bn"
	}
	return strings.ToLower(strings.ReplaceAll(folder, "_", "-"))
}

func translation(code string) *Package {
	name := languageNames()[code]
	if name == "" {
		name = code
	}
	p := &Package{
		Name: "luci-i18n-mezoura-" + code, Arch: "all", Section: "luci", License: license, URL: url, Maintainer: maintainer,
		Source:      "feeds/mezoura/luci-app-mezoura",
		Title:       "Translation of luci-app-mezoura: " + code,
		Description: "Translation for luci-app-mezoura - " + name,
		Depends:     []string{"luci-app-mezoura"},
	}
	p.Files = append(p.Files, File{
		Path: "/etc/uci-defaults/" + p.Name, Mode: 0o755,
		Data: []byte("uci set luci.languages." + strings.ReplaceAll(code, "-", "_") + "='" + name + "'; uci commit luci\n"),
	})
	return p
}

// languageNames are the languages as LuCI's own menu calls them.
func languageNames() map[string]string {
	return map[string]string{
		"cs": "Čeština (Czech)", "de": "Deutsch (German)", "en": "English", "es": "Español (Spanish)",
		"fr": "Français (French)", "hu": "Magyar (Hungarian)", "it": "Italiano (Italian)", "ja": "日本語 (Japanese)",
		"ko": "한국어 (Korean)", "nl": "Nederlands (Dutch)", "pl": "Polski (Polish)", "pt": "Português (Portuguese)",
		"pt-br": "Português do Brasil (Brazilian Portuguese)", "ru": "Русский (Russian)", "sv": "Svenska (Swedish)",
		"tr": "Türkçe (Turkish)", "uk": "Українська (Ukrainian)", "zh-cn": "简体中文 (Chinese Simplified)",
		"zh-tw": "繁體中文 (Chinese Traditional)",
	}
}
