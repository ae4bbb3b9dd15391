// SPDX-License-Identifier: GPL-2.0-only

package uci

import (
	"fmt"
	"strconv"
	"strings"
)

// Package is the content of one file.
type Package struct {
	File     string
	Sections []*Section

	names map[string]*Section
	types map[string][]*Section
}

// Section is one `config` of a file.
type Section struct {
	Name      string // libuci's own, such as cfg01a2b3, when Anonymous
	Type      string
	Anonymous bool
	Line      int // of its first `config`
	Options   []*Option

	names map[string]*Option
}

// Option is one option of a section: a list, or exactly one value.
type Option struct {
	Name   string
	List   bool
	Values []Value
}

// Value is a text of any bytes but NUL, and the line on which it begins.
type Value struct {
	Text string
	Line int
}

// Section finds a section by its name, or by type and number: "@host[0]" is the
// first, "@host[-1]" the last, "@[3]" the fourth of any type. It is nil when
// there is none.
func (p *Package) Section(name string) *Section {
	rest, ok := strings.CutPrefix(name, "@")
	if !ok {
		return p.names[name]
	}
	rest, ok = strings.CutSuffix(rest, "]")
	if !ok {
		return nil
	}
	typ, number, ok := strings.Cut(rest, "[")
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return nil
	}
	list := p.Sections
	if typ != "" {
		list = p.types[typ]
	}
	if n < 0 {
		n += len(list)
	}
	if n < 0 || n >= len(list) {
		return nil
	}
	return list[n]
}

// Option finds an option, nil when there is none. A nil section has none.
func (s *Section) Option(name string) *Option {
	if s == nil {
		return nil
	}
	return s.names[name]
}

// ref names the section, the index-th of its type, in a way Package.Section finds.
func (s *Section) ref(index int) string {
	if s.Anonymous {
		return "@" + s.Type + "[" + strconv.Itoa(index) + "]"
	}
	return s.Name
}

// add appends a section; name is "" for one without.
func (p *Package) add(typ, name string, line int) *Section {
	s := &Section{Name: name, Type: typ, Line: line, names: make(map[string]*Option)}
	p.Sections = append(p.Sections, s)
	if name == "" {
		s.Anonymous = true
		// The name that libuci, and therefore LuCI and rpcd, use for it.
		hash := uint32(5381)
		for _, c := range []byte(typ) {
			hash = hash<<5 + hash + uint32(c)
		}
		s.Name = fmt.Sprintf("cfg%02x%04x", len(p.Sections), hash&0xffff)
	}
	if p.names[s.Name] == nil {
		p.names[s.Name] = s
	}
	p.types[typ] = append(p.types[typ], s)
	return s
}

// set does what libuci does for `option`: an empty value changes nothing.
func (s *Section) set(name, text string, line int) {
	if text == "" {
		return
	}
	o := s.names[name]
	if o == nil {
		o = s.option(name)
	}
	o.List = false
	o.Values = []Value{{text, line}}
}

// append does what libuci does for `list`: an option becomes the list's first.
func (s *Section) append(name, text string, line int) {
	o := s.names[name]
	if o == nil {
		o = s.option(name)
	}
	o.List = true
	o.Values = append(o.Values, Value{text, line})
}

func (s *Section) option(name string) *Option {
	o := &Option{Name: name}
	s.Options = append(s.Options, o)
	s.names[name] = o
	return o
}
