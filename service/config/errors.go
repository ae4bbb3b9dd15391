// SPDX-License-Identifier: GPL-2.0-only

package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Problem is one thing that is wrong, and where. Either Flag or Option is set;
// for a line that cannot be read at all, neither is.
type Problem struct {
	File    string // "" for a flag
	Line    int    // from 1; 0 not known
	Section string // its name, or "@alias[0]" for the first of a type
	Option  string
	Flag    string // with its dash
	Value   string
	Want    string // what is allowed, or what is wrong where no value would do
}

// Error is one line without a line break, whatever the value holds.
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	switch {
	case p.Flag != "":
		fmt.Fprintf(&b, "flag %s", plain(p.Flag))
	case p.Option != "" && (p.Line > 0 || p.Section == ""):
		fmt.Fprintf(&b, "option %s", p.Option)
	case p.Option != "":
		fmt.Fprintf(&b, "option %s of config %s", p.Option, p.Section)
	case p.Section != "":
		fmt.Fprintf(&b, "config %s", p.Section)
	}
	if p.Value != "" {
		if p.Flag+p.Option+p.Section != "" {
			b.WriteByte(' ')
		}
		b.WriteString(quote(p.Value))
	}
	if s := b.String(); s != "" && !strings.HasSuffix(s, ": ") {
		b.WriteString(": ")
	}
	b.WriteString(p.Want)
	return b.String()
}

// quote shows a value of any content and length on one line.
func quote(v string) string {
	const most = 80
	if len(v) <= most {
		return strconv.QuoteToGraphic(v)
	}
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(v[cut]) {
		cut--
	}
	return strconv.QuoteToGraphic(v[:cut]) + "..."
}

// plain is a name as it stands, or quoted when it would spoil the line.
func plain(name string) string {
	if quoted := quote(name); quoted != `"`+name+`"` || strings.ContainsRune(name, ' ') {
		return quoted
	}
	return name
}

// Errors is everything that is wrong with a configuration, in the order found.
type Errors []Problem

// Error is one line; Lines has one for each problem.
func (e Errors) Error() string { return strings.Join(e.Lines(), "; ") }

// Lines gives each problem a line of its own.
func (e Errors) Lines() []string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.Error()
	}
	return lines
}
