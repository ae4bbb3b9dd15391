// SPDX-License-Identifier: GPL-2.0-only

package uci

import (
	"bytes"
	"fmt"
	"strings"
)

// SyntaxError is one command that libuci would refuse.
type SyntaxError struct {
	File   string
	Line   int // on which the command begins
	Reason string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

// Errors is every command of a file that cannot be read, in order.
type Errors []*SyntaxError

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "; ")
}

// Unwrap lets errors.As find the single errors.
func (e Errors) Unwrap() []error {
	list := make([]error, len(e))
	for i, err := range e {
		list[i] = err
	}
	return list
}

// maxErrors is how many errors of one file are kept: a file of another format
// altogether has one on each line.
const maxErrors = 20

// Parse reads the content of a file; file is only its name in errors. What libuci
// reads is read alike, byte for byte. What it refuses is refused; where it gives
// up, Parse goes on behind the line, so that Errors is complete.
//
// A NUL byte is an error here. libuci loses the rest of such a line and joins it
// with the next.
func Parse(file string, data []byte) (*Package, error) {
	p := &parser{
		pkg:  &Package{File: file, names: make(map[string]*Section), types: make(map[string][]*Section)},
		rest: data,
	}
	var errs Errors
	for len(p.rest) > 0 && len(errs) < maxErrors {
		p.buf, p.pos = p.buf[:0], 0
		p.line()
		start := p.number
		if err := p.commands(); err != "" {
			errs = append(errs, &SyntaxError{file, start, string(err)})
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return p.pkg, nil
}

// parser works as libuci's does: on a buffer that holds one line, grows by the
// next line where a value goes on, and in which each argument is unquoted in
// place and ended by a NUL. Some of what libuci accepts can only be told that way:
// an unquoted value takes the semicolon behind it, and the line's rest, with it.
type parser struct {
	pkg     *Package
	section *Section
	rest    []byte // of the file
	number  int    // of the line last read
	buf     []byte
	pos     int
	nul     bool // a NUL byte was read
}

// problem is why a command cannot be read, "" when it can.
type problem string

const (
	errNUL       problem = "NUL byte"
	errCommand   problem = "invalid command; want config, option, list or package"
	errNoName    problem = "command without name"
	errArguments problem = "insufficient arguments"
	errTooMany   problem = "too many arguments; a value with blanks must be quoted"
	errName      problem = "invalid character in name; want letters, digits and _"
	errType      problem = "invalid character in type"
	errDouble    problem = "value without closing \""
	errSingle    problem = "value without closing '"
	errNoSection problem = "option or list before the first config"
	errOtherType problem = "section has the name of an earlier one of another type"
)

// line replaces what is behind pos by the next line of the file. At the end of
// the file that is nothing.
func (p *parser) line() {
	p.buf = p.buf[:p.pos]
	if len(p.rest) == 0 {
		return
	}
	end := bytes.IndexByte(p.rest, '\n') + 1
	if end == 0 {
		end = len(p.rest)
	}
	if bytes.IndexByte(p.rest[:end], 0) >= 0 {
		p.nul = true
	}
	p.buf = append(p.buf, p.rest[:end]...)
	p.rest = p.rest[end:]
	p.number++
}

// at is the byte at i, 0 behind the end.
func (p *parser) at(i int) byte {
	if i < len(p.buf) {
		return p.buf[i]
	}
	return 0
}

func (p *parser) cur() byte { return p.at(p.pos) }

func (p *parser) put(i int, c byte) {
	if i < len(p.buf) {
		p.buf[i] = c
	}
}

// text is the string that begins at i.
func (p *parser) text(i int) string {
	if i >= len(p.buf) {
		return ""
	}
	b := p.buf[i:]
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	return string(b)
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func (p *parser) skipSpace() {
	for isSpace(p.cur()) {
		p.pos++
	}
}

// commands reads the commands of a line.
func (p *parser) commands() problem {
	if p.nul {
		p.nul = false
		return errNUL
	}
	p.skipSpace()
	for {
		start := p.number
		word := p.word()
		if word == "" || word[0] == '#' {
			return ""
		}
		var err problem
		switch word {
		case "p", "package":
			err = p.packageCommand()
		case "c", "config":
			err = p.configCommand(start)
		case "o", "option":
			err = p.optionCommand(start, false)
		case "l", "list":
			err = p.optionCommand(start, true)
		default:
			err = errCommand
		}
		if p.nul {
			p.nul = false
			err = errNUL
		}
		if err != "" {
			return err
		}
	}
}

// word is the next word up to a blank, which becomes a NUL; pos stays before it.
func (p *parser) word() string {
	start := p.pos
	for p.at(start) == ' ' || p.at(start) == '\t' {
		start++
	}
	end := start
	for c := p.at(end); c != 0 && c != ' ' && c != '\t'; c = p.at(end) {
		end++
	}
	if start == end {
		return ""
	}
	p.put(end, 0)
	return string(p.buf[start:end])
}

// skipWord moves behind the word and the NUL that ends it.
func (p *parser) skipWord() problem {
	end := bytes.IndexByte(p.buf[p.pos:], 0)
	if end < 0 {
		return errNoName
	}
	p.pos += end + 1
	return ""
}

// packageCommand reads a `package` line. The name is not used: a file is the
// package that the file is called by.
func (p *parser) packageCommand() problem {
	if err := p.skipWord(); err != "" {
		return err
	}
	if _, err := p.argument(true, packageName); err != "" {
		return err
	}
	return p.endOfLine()
}

func (p *parser) configCommand(line int) problem {
	if err := p.skipWord(); err != "" {
		return err
	}
	typeAt, err := p.argument(true, anyName)
	if err != "" {
		return err
	}
	if !validName(p.text(typeAt), typeName) {
		return errType
	}
	nameAt, err := p.argument(false, optionName)
	if err != "" {
		return err
	}
	if err := p.endOfLine(); err != "" {
		return err
	}
	typ, name := p.text(typeAt), p.text(nameAt)
	s := p.pkg.names[name]
	switch {
	case name == "" || s == nil:
		s = p.pkg.add(typ, name, line)
	case s.Type != typ:
		return errOtherType
	}
	p.section = s
	return ""
}

func (p *parser) optionCommand(line int, list bool) problem {
	if p.section == nil {
		return errNoSection
	}
	if err := p.skipWord(); err != "" {
		return err
	}
	nameAt, err := p.argument(true, optionName)
	if err != "" {
		return err
	}
	valueAt, err := p.argument(false, anyName)
	if err != "" {
		return err
	}
	if err := p.endOfLine(); err != "" {
		return err
	}
	name, value := p.text(nameAt), p.text(valueAt)
	if list {
		p.section.append(name, value, line)
	} else {
		p.section.set(name, value, line)
	}
	return ""
}

// endOfLine refuses further arguments.
func (p *parser) endOfLine() problem {
	at, err := p.argument(false, anyName)
	if err == "" && p.at(at) != 0 {
		err = errTooMany
	}
	return err
}

// argument reads the next argument and returns where it begins.
func (p *parser) argument(required bool, kind nameKind) (int, problem) {
	p.skipSpace()
	start := p.pos
	if p.cur() == ';' {
		p.put(p.pos, 0)
		p.pos++
	} else if err := p.unquote(); err != "" {
		return 0, err
	}
	if p.at(start) == 0 {
		if required {
			return 0, errArguments
		}
		return start, ""
	}
	if kind != anyName && !validName(p.text(start), kind) {
		return 0, errName
	}
	return start, ""
}

// unquote moves a string that is quoted in any way, or several ways in a row, to
// where it begins.
func (p *parser) unquote() problem {
	to := p.pos
	next := true
loop:
	for first := true; first || p.cur() != 0 && !isSpace(p.cur()); first = false {
		switch p.cur() {
		case '\'':
			if err := p.single(&to); err != "" {
				return err
			}
		case '"':
			if err := p.double(&to); err != "" {
				return err
			}
		case '#':
			p.buf = p.buf[:p.pos]
			break loop
		case 0:
			break loop
		case ';':
			next = false
			break loop
		case '\\':
			if p.escape() {
				p.move(&to)
			}
		default:
			p.move(&to)
		}
	}
	if p.cur() != 0 && next {
		p.pos++
	}
	p.put(to, 0)
	return ""
}

func (p *parser) move(to *int) {
	p.buf[*to] = p.buf[p.pos]
	*to++
	p.pos++
}

// escape steps over a backslash and tells whether a character is behind it to be
// taken as it is. At the end of a line there is none: the next line follows.
func (p *parser) escape() bool {
	p.pos++
	c := p.cur()
	if c == 0 || c == '\n' || c == '\r' && p.at(p.pos+1) == '\n' && p.at(p.pos+2) == 0 {
		p.line()
		return false
	}
	return true
}

func (p *parser) double(to *int) problem {
	p.pos++
	for {
		switch p.cur() {
		case '"':
			p.pos++
			return ""
		case 0:
			if p.line(); p.cur() == 0 {
				return errDouble
			}
		case '\\':
			if p.escape() {
				p.move(to)
			}
		default:
			p.move(to)
		}
	}
}

func (p *parser) single(to *int) problem {
	p.pos++
	for {
		switch p.cur() {
		case '\'':
			p.pos++
			return ""
		case 0:
			if p.line(); p.cur() == 0 {
				return errSingle
			}
		default:
			p.move(to)
		}
	}
}

// nameKind is what characters a name may have.
type nameKind int

const (
	anyName     nameKind = iota
	optionName           // letters, digits, _: a name of a shell variable
	packageName          // and -
	typeName             // all that is printable
)

func validName(s string, kind nameKind) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c == '_':
		case c == '-' && kind == packageName:
		case c > 32 && c < 127 && kind == typeName:
		default:
			return false
		}
	}
	return s != ""
}
