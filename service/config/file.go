// SPDX-License-Identifier: GPL-2.0-only

package config

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/mezoura/mezoura/service/uci"
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
	var syntax uci.Errors
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Errors{{Want: err.Error() + "; give -4 address/mask/device, or write that file"}}
	case !errors.As(err, &syntax):
		return Errors{{Want: err.Error()}}
	}
	problems := make(Errors, len(syntax))
	for i, e := range syntax {
		problems[i] = Problem{File: e.File, Line: e.Line, Want: e.Reason}
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
