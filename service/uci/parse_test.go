// SPDX-License-Identifier: GPL-2.0-only

package uci_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mezoura/mezoura/service/uci"
)

// samples are files, or pieces of files, that libuci reads in ways that are easy
// to get wrong. Those with an error are ones it refuses.
var samples = []struct {
	name, in string
	want     string // "type name: option=value option+=value|value; ..."
	err      string // all of it, without "f:"
}{
	{name: "empty"},
	{name: "only comment", in: "# nothing\n  # indented\n"},
	{name: "plain", in: "config host\n\toption name foo\n", want: "host @: name=foo"},
	{name: "named", in: "config host 'a'\n\toption name \"foo\"\n", want: "host a: name=foo"},
	{name: "no newline at the end", in: "config host a\noption name foo", want: "host a: name=foo"},
	{name: "carriage returns", in: "config host a\r\n\toption name foo\r\n", want: "host a: name=foo"},
	{name: "abbreviated", in: "c host a\no name foo\nl mac x\n", want: "host a: name=foo mac+=x"},
	{name: "export form", in: "package dhcp\n\nconfig host 'a'\n\toption name 'b'\n", want: "host a: name=b"},
	{name: "package of another name", in: "package other-name\nconfig host a\n", want: "host a:"},
	{name: "package between sections", in: "config a x\npackage y\noption b c\n", want: "a x: b=c"},

	{name: "blanks in quotes", in: "config a\noption b ' c  d '\n", want: "a @: b= c  d "},
	{name: "quotes joined", in: `config a` + "\n" + `option b "it"'s'\ one` + "\n", want: "a @: b=its one"},
	{name: "escaped quote of export", in: `config a` + "\n" + `option b 'it'\''s'` + "\n", want: "a @: b=it's"},
	{name: "backslash in double quotes", in: `config a` + "\n" + `option b "a\"b\\c\d"` + "\n", want: `a @: b=a"b\cd`},
	{name: "backslash in single quotes", in: `config a` + "\n" + `option b 'a\b'` + "\n", want: `a @: b=a\b`},
	{name: "hash in quotes", in: "config a\noption b 'c#d' # e\n", want: "a @: b=c#d"},
	{name: "hash ends a word", in: "config a\noption b c#d\n", want: "a @: b=c"},
	{name: "hash behind a quote", in: "config a\noption b 'c'#d\n", want: "a @: b=c"},
	{name: "escaped hash", in: "config a\noption b c\\#d\n", want: "a @: b=c#d"},

	{name: "continued line", in: "config a\noption b \\\n c\n", err: "2: too many arguments; a value with blanks must be quoted"},
	{name: "continued line, no blank", in: "config a\noption b \\\nc\n", want: "a @: b=c"},
	{name: "continued word", in: "config a\noption b c\\\nd\n", want: "a @: b=cd"},
	{name: "continued word, blank", in: "config a\noption b c\\\n  # d\n", want: "a @: b=c"},
	{name: "continued by carriage return", in: "config a\noption b c\\\r\nd\n", want: "a @: b=cd"},
	{name: "continued in double quotes", in: "config a\noption b \"c\\\n d\"\n", want: "a @: b=c d"},
	{name: "value of several lines", in: "config a\noption b 'c\nd'\noption e f\n", want: "a @: b=c\nd e=f"},
	{name: "value of several lines, double", in: "config a\noption b \"c\n\nd\"\n", want: "a @: b=c\n\nd"},
	{name: "backslash at the end", in: "config a\noption b c\\", want: "a @: b=c"},

	{name: "semicolon behind quotes", in: "config a 'x';option b 'c';option d 'e'\n", want: "a x: b=c d=e"},
	{name: "semicolon behind a word drops the line", in: "config a\noption b c;option d e\n", want: "a @: b=c"},
	{name: "semicolon behind a blank", in: "config a x ;option d 'e'\n", want: "a x: d=e"},
	{name: "semicolon at the end of a line", in: "config a 'x';\n", err: "1: invalid command; want config, option, list or package"},

	{name: "list", in: "config a\nlist b c\nlist b 'd e'\n", want: "a @: b+=c|d e"},
	{name: "list of empty", in: "config a\nlist b ''\nlist b\n", want: "a @: b+=|"},
	{name: "option becomes list", in: "config a\noption b c\nlist b d\n", want: "a @: b+=c|d"},
	{name: "list becomes option", in: "config a\nlist b c\nlist b d\noption b e\n", want: "a @: b=e"},
	{name: "option again", in: "config a\noption b c\noption x y\noption b d\n", want: "a @: b=d x=y"},
	{name: "empty option", in: "config a\noption b ''\noption c\n", want: "a @:"},
	{name: "empty option keeps", in: "config a\noption b c\noption b ''\n", want: "a @: b=c"},
	{name: "section continued", in: "config a x\noption b c\nconfig d y\nconfig a x\noption e f\n", want: "a x: b=c e=f; d y:"},
	{name: "no name is no section", in: "config a ''\nconfig a\n", want: "a @:; a @:"},
	{name: "odd type", in: "config a/b-c.d'!' x\n", want: "a/b-c.d! x:"},
	{name: "high bytes", in: "config a\noption b \xff\xc3\xa4\n", want: "a @: b=\xff\xc3\xa4"},

	{name: "no command", in: "config a\nfoo b\n", err: "2: invalid command; want config, option, list or package"},
	{name: "glued", in: "config\n", err: "1: invalid command; want config, option, list or package"},
	{name: "without anything", in: "config", err: "1: command without name"},
	{name: "without anything, package", in: "package", err: "1: command without name"},
	{name: "option without anything", in: "config a\noption", err: "2: command without name"},
	{name: "without type", in: "config \n", err: "1: insufficient arguments"},
	{name: "without name", in: "config a\noption \n", err: "2: insufficient arguments"},
	{name: "package without name", in: "package  \n", err: "1: insufficient arguments"},
	{name: "bad package", in: "package a.b\n", err: "1: invalid character in name; want letters, digits and _"},
	{name: "two packages", in: "package a b\n", err: "1: too many arguments; a value with blanks must be quoted"},
	{name: "too many", in: "config a b c\n", err: "1: too many arguments; a value with blanks must be quoted"},
	{name: "value not quoted", in: "config a\noption b c d\n", err: "2: too many arguments; a value with blanks must be quoted"},
	{name: "bad name", in: "config a b-c\n", err: "1: invalid character in name; want letters, digits and _"},
	{name: "bad option", in: "config a\noption b-c d\n", err: "2: invalid character in name; want letters, digits and _"},
	{name: "bad type", in: "config 'a b'\n", err: "1: invalid character in type"},
	{name: "too early", in: "option b c\n", err: "1: option or list before the first config"},
	{name: "other type", in: "config a x\nconfig b x\n", err: "2: section has the name of an earlier one of another type"},
	{name: "single quote open", in: "config a\noption b 'c\nd\n", err: "2: value without closing '"},
	{name: "double quote open", in: "config a\noption b \"c\nd\n", err: `2: value without closing "`},
	{name: "quote open in type", in: "config 'a\n", err: "1: value without closing '"},
	{name: "quote open in name", in: "config a 'b\n", err: "1: value without closing '"},
	{name: "quote open behind", in: "config a b 'c\n", err: "1: value without closing '"},
	{name: "quote open in option", in: "config a\noption 'b\n", err: "2: value without closing '"},
	{name: "quote open behind option", in: "config a\noption b c 'd\n", err: "2: value without closing '"},
	{name: "quote open behind package", in: "package a \"b\n", err: `1: value without closing "`},
	{
		name: "several errors", in: "foo\nconfig a\noption b c d\n\noption e 'f\n",
		err: "1: invalid command; want config, option, list or package; f:3: too many arguments; a value with blanks must be quoted; f:5: value without closing '",
	},
}

// describe is a package in the short form of the samples.
func describe(p *uci.Package) string {
	var sections []string
	for _, s := range p.Sections {
		name := s.Name
		if s.Anonymous {
			name = "@"
		}
		line := s.Type + " " + name + ":"
		for _, o := range s.Options {
			var values []string
			for _, v := range o.Values {
				values = append(values, v.Text)
			}
			sign := "="
			if o.List {
				sign = "+="
			}
			line += " " + o.Name + sign + strings.Join(values, "|")
		}
		sections = append(sections, line)
	}
	return strings.Join(sections, "; ")
}

func TestParse(t *testing.T) {
	for _, test := range samples {
		t.Run(test.name, func(t *testing.T) {
			p, err := uci.Parse("f", []byte(test.in))
			if test.err != "" {
				if err == nil || err.Error() != "f:"+test.err {
					t.Fatalf("got error %v\nwant f:%s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(p); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestParseRefusesNUL(t *testing.T) {
	for _, in := range []string{
		"config a\noption b \x00c\n", "\x00", "config a\noption b 'c\nd\x00'\n", "config a\noption b c\\\nd\x00e\n",
	} {
		_, err := uci.Parse("f", []byte(in))
		if err == nil || !strings.Contains(err.Error(), "NUL byte") {
			t.Errorf("%q: got error %v", in, err)
		}
	}
}

func TestParseBoundsErrors(t *testing.T) {
	_, err := uci.Parse("f", []byte(strings.Repeat("x\n", 10000)))
	var errs uci.Errors
	if !errors.As(err, &errs) || len(errs) != 20 {
		t.Errorf("got %d errors, want 20", len(errs))
	}
	var one *uci.SyntaxError
	if !errors.As(err, &one) || one.Line != 1 {
		t.Errorf("got first error %v", one)
	}
}

func TestLinesAreThoseOfTheCommand(t *testing.T) {
	p, err := uci.Parse("f", []byte("# one\n\nconfig a x\n\toption b 'c\n\n\td'\n\tlist e \\\nf\n\tlist e g\nconfig a x\n\toption h i\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := p.Section("x")
	got := []int{s.Line, s.Option("b").Values[0].Line, s.Option("e").Values[0].Line, s.Option("e").Values[1].Line, s.Option("h").Values[0].Line}
	for i, want := range []int{3, 4, 7, 9, 11} {
		if got[i] != want {
			t.Errorf("got lines %v", got)
			break
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s.in))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := uci.Parse("f", data)
		if err != nil {
			if strings.Contains(err.Error(), "f:0:") {
				t.Errorf("error without a line: %v", err)
			}
			return
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, s := range p.Sections {
			if strings.ContainsAny(s.Type, "'\"\\;#") {
				return // libuci writes types without quotes, so these cannot be read again
			}
			if s.Line < 1 || s.Line > lines || p.Section(s.Name) == nil {
				t.Errorf("section %+v", s)
			}
			for _, o := range s.Options {
				if s.Option(o.Name) != o || len(o.Values) == 0 || !o.List && len(o.Values) != 1 {
					t.Errorf("option %+v", o)
				}
				for _, v := range o.Values {
					if v.Line < 1 || v.Line > lines || strings.ContainsRune(v.Text, 0) {
						t.Errorf("value %+v of %d lines", v, lines)
					}
				}
			}
		}
		// What was read and written out again reads the same.
		again, err := uci.Parse("f", []byte(export("x", p)))
		if err != nil {
			t.Fatalf("read own export: %v", err)
		}
		if a, b := export("x", p), export("x", again); a != b {
			t.Errorf("export changed:\n%s\n%s", a, b)
		}
	})
}
