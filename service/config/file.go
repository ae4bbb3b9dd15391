// SPDX-License-Identifier: GPL-2.0-only

package config

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Tree is what we need of a UCI reader. Package uci has one, and so has
// github.com/digineo/go-uci.
type Tree interface {
	LoadConfig(name string, forceReload bool) error
	GetSections(config, sectionType string) ([]string, bool)
	Get(config, section, option string) ([]string, bool)
}

// lister is a tree that can also tell what else is in a file, which finds
// misspelt options and types.
type lister interface {
	Sections(config string) (names, types []string)
	OptionNames(config, section string) []string
}

// locator is a tree that knows where things stand; index counts the values of an
// option, and -1 means the section.
type locator interface {
	Where(config, section, option string, index int) (file string, line int)
}

// FromUCI reads /etc/config/mezoura by way of a tree. The error is of type Errors
// and holds everything that is wrong with the file.
func FromUCI(t Tree) (Config, error) {
	r := reader{tree: t, config: Default()}
	if err := t.LoadConfig(File, true); err != nil {
		return Config{}, loadProblems(err)
	}
	r.unknownSections()
	r.main()
	r.aliases()
	if len(r.problems) == 0 {
		for _, p := range r.config.check() {
			p.File, p.Line = r.where("@mezoura[0]", p.Option, 0)
			r.problems = append(r.problems, p)
		}
	}
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int { return a.Line - b.Line })
		return Config{}, r.problems
	}
	return r.config, nil
}

// loadProblems turns the reader's error, which may be several, into ours.
func loadProblems(err error) Errors {
	if errors.Is(err, fs.ErrNotExist) {
		return Errors{{Want: "no configuration: " + err.Error() + "; give -4 address/mask/device, or write that file"}}
	}
	var several interface{ Unwrap() []error }
	if !errors.As(err, &several) {
		return Errors{{Want: err.Error()}}
	}
	var problems Errors
	for _, e := range several.Unwrap() {
		problems = append(problems, Problem{Want: e.Error()})
	}
	return problems
}

type reader struct {
	tree     Tree
	config   Config
	problems Errors
}

func (r *reader) where(section, option string, index int) (string, int) {
	if l, ok := r.tree.(locator); ok {
		return l.Where(File, section, option, index)
	}
	return "/etc/config/" + File, 0
}

func (r *reader) fail(section, option string, index int, value, want string) {
	p := Problem{Section: section, Option: option, Value: value, Want: want}
	p.File, p.Line = r.where(section, option, index)
	r.problems = append(r.problems, p)
}

// unknownSections names sections that nothing reads.
func (r *reader) unknownSections() {
	l, ok := r.tree.(lister)
	if !ok {
		return
	}
	names, types := l.Sections(File)
	for i, typ := range types {
		if typ != "mezoura" && typ != "alias" {
			r.fail(names[i], "", -1, typ, "unknown type of section; want mezoura or alias")
		}
	}
}

// unknownOptions names options that nothing reads.
func (r *reader) unknownOptions(section string, known []Option) {
	l, ok := r.tree.(lister)
	if !ok {
		return
	}
	for _, name := range l.OptionNames(File, section) {
		if slices.ContainsFunc(known, func(o Option) bool { return o.Name == name }) {
			continue
		}
		want := "unknown option"
		if near := nearest(name, known); near != "" {
			want += "; did you mean " + near + "?"
		}
		values, _ := r.tree.Get(File, section, name)
		r.fail(section, name, 0, strings.Join(values, " "), want)
	}
}

// main reads the one section of type mezoura.
func (r *reader) main() {
	sections, _ := r.tree.GetSections(File, "mezoura")
	if len(sections) == 0 {
		return
	}
	for _, s := range sections[1:] {
		r.fail(s, "", -1, "", "a second section of type mezoura; want one")
	}
	section := sections[0]
	r.unknownOptions(section, options())
	_, network := r.tree.Get(File, section, "network")
	for _, o := range options() {
		values, ok := r.tree.Get(File, section, o.Name)
		if !ok {
			continue
		}
		if o.Name == "subnet" && !network {
			// Subnets stand in for networks, unless those are named too.
			r.config.Networks = nil
		}
		if o.clear != nil {
			o.clear(&r.config)
		}
		if !o.List && len(values) > 1 {
			r.fail(section, o.Name, 1, values[1], "given more than once; want one value")
			continue
		}
		for i, value := range values {
			parts := []string{value}
			if o.List && o.Name != "textfile" {
				// Written as one option, with blanks between, a list is understood as well.
				parts = strings.Fields(value)
			}
			for _, v := range parts {
				if err := o.set(&r.config, v); err != nil {
					r.fail(section, o.Name, i, v, "want "+o.Allowed)
				}
			}
		}
	}
}

// aliases reads the sections of type alias.
func (r *reader) aliases() {
	sections, _ := r.tree.GetSections(File, "alias")
	owner := make(map[[6]byte]string)
	for n, section := range sections {
		if n == maxAliases {
			r.fail(section, "", -1, "", "more than "+strconv.Itoa(maxAliases)+" aliases")
			return
		}
		r.unknownOptions(section, AliasOptions())
		alias := Alias{}
		names, _ := r.tree.Get(File, section, "name")
		switch {
		case len(names) == 0 && !strings.HasPrefix(section, "@"):
			alias.Name = section
		case len(names) == 0:
			r.fail(section, "", -1, "", "an alias without a name")
		case len(names) > 1:
			r.fail(section, "name", 1, names[1], "given more than once; want one value")
		case !validName(names[0]):
			r.fail(section, "name", 0, names[0], "want "+AliasOptions()[0].Allowed)
		default:
			alias.Name = names[0]
		}
		macs, _ := r.tree.Get(File, section, "mac")
		given := false
		for i, value := range macs {
			for _, v := range strings.FieldsFunc(value, func(c rune) bool { return unicode.IsSpace(c) || c == ',' }) {
				given = true
				mac, ok := ParseMAC(v)
				switch {
				case !ok || mac == [6]byte{} || mac[0]&1 != 0:
					r.fail(section, "mac", i, v, "want "+AliasOptions()[1].Allowed)
				case owner[mac] != "" && owner[mac] != section:
					r.fail(section, "mac", i, v, "already in alias "+owner[mac])
				case len(alias.MACs) == aliasMACs:
					r.fail(section, "mac", i, v, "more than "+strconv.Itoa(aliasMACs)+" addresses in one alias")
				default:
					owner[mac] = section
					alias.MACs = appendNew(alias.MACs, mac)
				}
			}
		}
		if !given {
			r.fail(section, "", -1, "", "an alias without a mac")
		}
		slices.SortFunc(alias.MACs, func(a, b [6]byte) int { return slices.Compare(a[:], b[:]) })
		r.config.Aliases = append(r.config.Aliases, alias)
	}
}

// validName is for names that the user chose: shown as they are, so they must
// be safe to show.
func validName(v string) bool {
	if v == "" || len(v) > aliasNameLen || !utf8.ValidString(v) || strings.TrimSpace(v) != v {
		return false
	}
	for _, c := range v {
		if !unicode.IsGraphic(c) {
			return false
		}
	}
	return true
}

// check looks at what no single option can see.
func (c *Config) check() Errors {
	var problems Errors
	add := func(option, flag, want string) {
		problems = append(problems, Problem{Option: option, Flag: flag, Want: want})
	}
	if len(c.Networks)+len(c.Subnets) > maxNetworks {
		add("network", "", "more than "+strconv.Itoa(maxNetworks)+" networks and subnets")
	}
	if len(c.Networks)+len(c.Subnets)+len(c.Prefixes6) == 0 {
		add("network", "", "no network at all; want the name of at least one")
	}
	count := map[bool]int{}
	for _, p := range c.Internal {
		count[p.Addr().Is4()]++
	}
	if count[true] > maxPrefixes || count[false] > maxPrefixes {
		add("internal", "", "more than "+strconv.Itoa(maxPrefixes)+" prefixes of one family")
	}
	if len(c.Prefixes6) > maxPrefixes {
		add("prefix6", "", "more than "+strconv.Itoa(maxPrefixes)+" prefixes")
	}
	if c.MaxHostAddresses > c.MaxAddresses {
		add("max_host_addresses", "", "more than max_addresses")
	}
	return problems
}

// nearest is the known option that a misspelt one probably means, or "".
func nearest(name string, known []Option) string {
	best, least := "", 3
	for _, o := range known {
		if d := distance(name, o.Name, least); d < least {
			best, least = o.Name, d
		}
	}
	return best
}

// distance is how many single letters have to be changed, added or dropped, or
// most when it is that or more.
func distance(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := left
			if a[i] != b[j] {
				cost++
			}
			left = above
			row[j+1] = min(cost, above+1, row[j]+1)
		}
	}
	return min(row[len(b)], most)
}
