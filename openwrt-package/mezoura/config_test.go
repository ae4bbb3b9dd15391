// SPDX-License-Identifier: GPL-2.0-only

package mezoura_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mezoura/mezoura/service/config"
	"github.com/mezoura/mezoura/service/uci"
)

func parse(t *testing.T, text string) config.Config {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mezoura"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := config.FromUCI(uci.NewTree(dir))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

func defaultFile(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("files/mezoura.config")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestDefaultFile(t *testing.T) {
	text := defaultFile(t)
	want := parse(t, "config mezoura 'main'\n")
	if got := parse(t, text); !reflect.DeepEqual(got, want) {
		t.Errorf("as installed: %+v, want the defaults %+v", got, want)
	}
	// With every # before an option taken away it must still be right.
	all := regexp.MustCompile(`(?m)^\t#(option|list) `).ReplaceAllString(text, "\t$1 ")
	all = regexp.MustCompile(`(?m)^#(config|\toption|\tlist)`).ReplaceAllString(all, "$1")
	if got := parse(t, all); len(got.Aliases) != 1 || len(got.Aliases[0].MACs) != 2 {
		t.Errorf("aliases %+v", got.Aliases)
	}
}

// Every option is there, with its default where it has one, and explained.
func TestDefaultFileIsComplete(t *testing.T) {
	text := defaultFile(t)
	words := strings.Join(strings.Fields(strings.NewReplacer("#", " ", "\n", " ").Replace(text)), " ")
	for _, o := range config.Options() {
		line := regexp.MustCompile(`(?m)^\t#?(option|list) ` + o.Name + ` '(.*)'$`)
		var values []string
		for _, m := range line.FindAllStringSubmatch(text, -1) {
			if list := m[1] == "list"; list != o.List {
				t.Errorf("%s: %s in the file", o.Name, m[1])
			}
			values = append(values, m[2])
		}
		switch {
		case values == nil:
			t.Errorf("%s: not in the file", o.Name)
		case o.Default != nil && !slices.Equal(values, o.Default):
			t.Errorf("%s: %q in the file, the default is %q", o.Name, values, o.Default)
		case o.Default == nil && !o.List && values[0] != "":
			t.Errorf("%s: %q in the file, there is no default", o.Name, values)
		}
		// The first sentence of its help, up to the first colon, begins the comment.
		sentence := regexp.MustCompile(`[.:;,] `).Split(o.Help+" ", 2)[0]
		if o.Name != "max_addresses" && o.Name != "max_host_addresses" && !strings.Contains(words, sentence) {
			t.Errorf("%s: %q is not in the file", o.Name, sentence)
		}
	}
}

func TestDefaultsFindNetworks(t *testing.T) {
	const network = `
config interface 'loopback'
	option proto 'static'
config interface 'lan'
	option proto 'static'
config interface 'guest'
	option proto 'static'
config interface 'iot'
	option proto 'none'
config interface 'wan'
	option proto 'dhcp'
config interface 'wg0'
	option proto 'wireguard'
`
	const firewall = `
config defaults
	option forward 'REJECT'
config zone
	option name 'lan'
	list network 'lan'
	list network 'wg0'
	list network 'gone'
config zone
	option name 'guest'
config zone
	option name 'iot'
	list network 'iot'
config zone
	option name 'island'
	list network 'loopback'
config zone
	option name 'wan'
	list network 'wan'
	option masq '1'
config forwarding
	option src 'lan'
	option dest 'wan'
config forwarding
	option src 'guest'
	option dest 'wan'
config forwarding
	option src 'iot'
	option dest 'wan'
`
	onlyLAN := `
config zone
	option name 'lan'
	list network 'lan'
config zone
	option name 'wan'
	option masq '1'
config forwarding
	option src 'lan'
	option dest 'wan'
`
	fresh := defaultFile(t)
	for name, test := range map[string]struct {
		file, network, firewall, env string
		want                         []string // nil: the file as it was
	}{
		"several":     {fresh, network, firewall, "", []string{"lan", "wg0", "guest"}},
		"only lan":    {fresh, network, onlyLAN, "", nil},
		"no firewall": {fresh, network, "", "", nil},
		"upgrade":     {fresh, network, firewall, "PKG_UPGRADE=1 ", nil},
		"chosen":      {"config mezoura 'main'\n\tlist network 'guest'\n", network, firewall, "", nil},
		"option":      {"config mezoura 'main'\n\toption network guest\n", network, firewall, "", nil},
		"subnet":      {"config mezoura 'main'\n\tlist subnet 'br-lan'\n", network, firewall, "", nil},
		"bare":        {"config mezoura\n", network, firewall, "", []string{"lan", "wg0", "guest"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t)
			r.write("etc/config/mezoura", test.file)
			r.write("etc/config/network", test.network)
			r.write("etc/config/firewall", test.firewall)
			r.run(test.env + "/etc/defaults")
			got := r.read("etc/config/mezoura")
			if test.want == nil {
				if got != test.file {
					t.Errorf("changed:\n%s", got)
				}
				return
			}
			if c := parse(t, got); !slices.Equal(c.Networks, test.want) {
				t.Errorf("networks %v, want %v", c.Networks, test.want)
			}
			if strings.Count(got, "#") != strings.Count(test.file, "#") {
				t.Error("comments are lost")
			}
			r.wantFile("etc/config/mezoura", 0, 0, 0o644)
			r.run("/etc/defaults") // once more, as after an upgrade of the system
			if again := r.read("etc/config/mezoura"); again != got {
				t.Errorf("changed the second time:\n%s", again)
			}
		})
	}
}

func TestAccessLists(t *testing.T) {
	read := func(name string, into any) {
		t.Helper()
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for name, want := range map[string][]string{
		"files/mezoura.capabilities.json":         {"CAP_BPF", "CAP_NET_ADMIN"},
		"files/mezoura-perfmon.capabilities.json": {"CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"},
	} {
		var capabilities map[string][]string
		read(name, &capabilities)
		for _, set := range []string{"bounding", "effective", "ambient", "permitted", "inheritable"} {
			if got := capabilities[set]; !slices.Equal(got, want) {
				t.Errorf("%s: %s: %v", name, set, got)
			}
		}
		if len(capabilities) != 5 {
			t.Errorf("%s: %d sets, want 5", name, len(capabilities))
		}
	}
	var acl struct {
		User    string
		Publish []string
		Access  map[string]struct{ Methods []string }
	}
	read("files/mezoura.acl.json", &acl)
	if acl.User != "mezoura" || !slices.Contains(acl.Publish, "mezoura") {
		t.Errorf("user %q may publish %v", acl.User, acl.Publish)
	}
	for object, a := range acl.Access {
		if len(a.Methods) == 0 || slices.Contains(a.Methods, "*") {
			t.Errorf("%s: methods %v", object, a.Methods)
		}
	}
}
