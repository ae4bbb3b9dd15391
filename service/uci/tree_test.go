// SPDX-License-Identifier: GPL-2.0-only

package uci_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mezoura/mezoura/service/uci"
)

const dhcp = `
config dnsmasq
	option leasefile '/tmp/dhcp.leases'
	option authoritative '1'
	option rebind off

config dhcp 'lan'
	option interface 'lan'

config host
	option name 'foo'
	list mac '00:11:22:33:44:55'
	list mac '00:11:22:33:44:66'

config host 'named'
	option name 'bar'

config host
	option name 'baz'
`

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTree(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "dhcp", dhcp)
	tree := uci.NewTree(dir)

	if got, ok := tree.GetSections("dhcp", "host"); !ok || !reflect.DeepEqual(got, []string{"@host[0]", "named", "@host[2]"}) {
		t.Errorf("hosts: %v, %v", got, ok)
	}
	if got, ok := tree.GetSections("dhcp", "none"); !ok || len(got) != 0 {
		t.Errorf("sections of an unused type: %v, %v", got, ok)
	}
	names, types := tree.Sections("dhcp")
	if !reflect.DeepEqual(names, []string{"@dnsmasq[0]", "lan", "@host[0]", "named", "@host[2]"}) ||
		!reflect.DeepEqual(types, []string{"dnsmasq", "dhcp", "host", "host", "host"}) {
		t.Errorf("sections: %v, %v", names, types)
	}
	if got := tree.OptionNames("dhcp", "@host[0]"); !reflect.DeepEqual(got, []string{"name", "mac"}) {
		t.Errorf("options: %v", got)
	}
	if got := tree.OptionNames("dhcp", "nowhere"); got != nil {
		t.Errorf("options of no section: %v", got)
	}

	for _, test := range []struct {
		section, option string
		want            []string
	}{
		{"@host[0]", "mac", []string{"00:11:22:33:44:55", "00:11:22:33:44:66"}},
		{"@host[1]", "name", []string{"bar"}},
		{"@host[-1]", "name", []string{"baz"}},
		{"@[1]", "interface", []string{"lan"}},
		{"named", "name", []string{"bar"}},
		{"named", "mac", nil},
		{"@host[3]", "name", nil},
		{"@host[-4]", "name", nil},
		{"@host[x]", "name", nil},
		{"@host", "name", nil},
		{"@host]", "name", nil},
		{"nowhere", "name", nil},
	} {
		got, ok := tree.Get("dhcp", test.section, test.option)
		if ok != (test.want != nil) || !reflect.DeepEqual(got, test.want) {
			t.Errorf("get %s.%s: %q, %v", test.section, test.option, got, ok)
		}
	}
	if got, ok := tree.GetLast("dhcp", "@host[0]", "mac"); !ok || got != "00:11:22:33:44:66" {
		t.Errorf("last: %q, %v", got, ok)
	}
	if got, ok := tree.GetLast("dhcp", "@host[0]", "none"); ok || got != "" {
		t.Errorf("last of nothing: %q, %v", got, ok)
	}
	for option, want := range map[string][2]bool{"authoritative": {true, true}, "rebind": {false, true}, "leasefile": {}, "none": {}} {
		if value, ok := tree.GetBool("dhcp", "@dnsmasq[0]", option); value != want[0] || ok != want[1] {
			t.Errorf("bool %s: %v, %v", option, value, ok)
		}
	}
	file := filepath.Join(dir, "dhcp")
	for _, test := range []struct {
		section, option string
		index, line     int
	}{
		{"@host[0]", "mac", 1, 13}, {"@host[0]", "mac", 2, 10}, {"@host[0]", "none", 0, 10},
		{"named", "", -1, 15}, {"nowhere", "", 0, 0},
	} {
		if f, line := tree.Where("dhcp", test.section, test.option, test.index); f != file || line != test.line {
			t.Errorf("where %v: %s:%d", test, f, line)
		}
	}
}

// libuci's own names of anonymous sections are what LuCI and rpcd know them by.
func TestAnonymousSectionByGeneratedName(t *testing.T) {
	p, err := uci.Parse("dhcp", []byte(dhcp))
	if err != nil {
		t.Fatal(err)
	}
	s := p.Sections[2]
	if !strings.HasPrefix(s.Name, "cfg03") || len(s.Name) != 9 || p.Section(s.Name) != s {
		t.Errorf("third section is called %q", s.Name)
	}
}

func TestTreeReloads(t *testing.T) {
	dir := t.TempDir()
	tree := uci.NewTree(dir)
	get := func() string {
		v, _ := tree.GetLast("x", "s", "o")
		return v
	}
	if get() != "" {
		t.Fatal("a value without a file")
	}
	write(t, dir, "x", "config a s\noption o 1\n")
	if get() != "1" {
		t.Fatal("a file that appeared is not read")
	}
	write(t, dir, "x", "config a s\noption o 2\n")
	if err := tree.LoadConfig("x", false); err != nil || get() != "1" {
		t.Errorf("read again unasked: %q, %v", get(), err)
	}
	if err := tree.LoadConfig("x", true); err != nil || get() != "2" {
		t.Errorf("not read again: %q, %v", get(), err)
	}
	write(t, dir, "x", "config a s\noption o 3 4\n")
	err := tree.LoadConfig("x", true)
	if want := filepath.Join(dir, "x") + ":2: too many arguments; a value with blanks must be quoted"; err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
	if _, ok := tree.GetSections("x", "a"); ok {
		t.Error("a broken file has sections")
	}
	if names, _ := tree.Sections("x"); names != nil {
		t.Error("a broken file has sections")
	}
	if file, line := tree.Where("x", "s", "o", 0); file != filepath.Join(dir, "x") || line != 0 {
		t.Errorf("in a broken file: %s:%d", file, line)
	}
	if tree.OptionNames("x", "s") != nil {
		t.Error("a broken file has options")
	}
}

func TestTreeRefuses(t *testing.T) {
	dir := t.TempDir()
	tree := uci.NewTree(dir)
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	big, err := os.Create(filepath.Join(dir, "big"))
	if err != nil {
		t.Fatal(err)
	}
	defer big.Close()
	if err := big.Truncate(8<<20 + 1); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"none":       "no such file or directory",
		"folder":     "not a regular file",
		"big":        "larger than 8388608 bytes",
		"../etc":     "invalid argument",
		"":           "invalid argument",
		"/etc/hosts": "invalid argument",
	} {
		err := tree.LoadConfig(name, true)
		if err == nil || !strings.HasSuffix(err.Error(), want) || !strings.HasPrefix(err.Error(), "load config") {
			t.Errorf("%q: got error %v", name, err)
		}
	}
	if err := tree.LoadConfig("none", false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: got error %v", err)
	}
}
