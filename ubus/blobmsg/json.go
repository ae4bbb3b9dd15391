// SPDX-License-Identifier: GPL-2.0-only

package blobmsg

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// AppendJSON appends the table as the ubus tool prints it with -S, in one
// line. It is JSON whatever the message holds, which the tool's own output is
// not: bytes that are not UTF-8 become U+FFFD, a double that is no number
// null, and an empty name stays a name.
func (t Table) AppendJSON(dst []byte) []byte {
	p := printer{dst: slices.Grow(dst, len(t.body))}
	p.list(t.body, '{', '}')
	return p.dst
}

// AppendJSONIndent appends the table as the ubus tool prints it, over several
// lines with tabs.
func (t Table) AppendJSONIndent(dst []byte) []byte {
	p := printer{dst: slices.Grow(dst, len(t.body)), indent: true}
	p.list(t.body, '{', '}')
	return p.dst
}

// MarshalJSON makes a Table part of what encoding/json writes.
func (t Table) MarshalJSON() ([]byte, error) { return t.AppendJSON(nil), nil }

// String is the table as one line of JSON.
func (t Table) String() string { return string(t.AppendJSON(nil)) }

// MarshalJSON makes an Array part of what encoding/json writes.
func (a Array) MarshalJSON() ([]byte, error) {
	p := printer{}
	p.list(a.body, '[', ']')
	return p.dst, nil
}

// MarshalJSON makes a Value part of what encoding/json writes.
func (v Value) MarshalJSON() ([]byte, error) {
	p := printer{}
	p.value(v)
	return p.dst, nil
}

type printer struct {
	dst    []byte
	indent bool
	level  int
}

func (p *printer) list(b []byte, open, end byte) {
	p.dst = append(p.dst, open)
	p.level++
	p.separate()
	for first := true; len(b) > 0; first = false {
		if !first {
			p.dst = append(p.dst, ',')
			p.separate()
		}
		var name []byte
		var v Value
		name, v, b = next(b)
		if open == '{' {
			p.text(name)
			p.dst = append(p.dst, ':')
			if p.indent {
				p.dst = append(p.dst, ' ')
			}
		}
		p.value(v)
	}
	p.level--
	p.separate()
	p.dst = append(p.dst, end)
}

// separate starts a new line; the ubus tool indents by 16 tabs at most.
func (p *printer) separate() {
	if !p.indent {
		return
	}
	p.dst = append(p.dst, '\n')
	for i := 0; i < min(p.level, 16); i++ {
		p.dst = append(p.dst, '\t')
	}
}

func (p *printer) value(v Value) {
	switch v.typ {
	case TypeTable:
		p.list(v.data, '{', '}')
	case TypeArray:
		p.list(v.data, '[', ']')
	case String:
		p.text(v.text())
	case Int8:
		p.dst = strconv.AppendBool(p.dst, v.data[0] != 0)
	case Double:
		if f, _ := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			p.dst = append(p.dst, "null"...)
		} else {
			p.dst = strconv.AppendFloat(p.dst, f, 'f', 6, 64)
		}
	case Unspec:
		p.dst = append(p.dst, "null"...)
	default:
		n, _ := v.Int()
		p.dst = strconv.AppendInt(p.dst, n, 10)
	}
}

// escapes is how libubox writes the characters that have a short form; a form
// feed is not among them.
const escapes = "\bb\nn\tt\rr\"\"\\\\"

func (p *printer) text(s []byte) {
	p.dst = append(p.dst, '"')
	last := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRune(s[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		p.dst = append(p.dst, s[last:i]...)
		p.escape(c)
		i += size
		last = i
	}
	p.dst = append(append(p.dst, s[last:]...), '"')
}

func (p *printer) escape(c byte) {
	if c >= utf8.RuneSelf {
		p.dst = append(p.dst, "\uFFFD"...)
		return
	}
	for i := 0; i < len(escapes); i += 2 {
		if escapes[i] == c {
			p.dst = append(p.dst, '\\', escapes[i+1])
			return
		}
	}
	const hex = "0123456789abcdef"
	p.dst = append(p.dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// ParseJSON reads a JSON object as the ubus tool reads its argument: whole
// numbers become int32, or int64 where they need it, the order is kept.
func ParseJSON(text []byte) (Table, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var b Builder
	tok, err := d.Token()
	if err == nil && tok != json.Delim('{') {
		err = fmt.Errorf("not an object")
	}
	if err == nil {
		err = jsonList(d, &b, true)
	}
	if err == nil {
		if _, end := d.Token(); end != io.EOF {
			err = fmt.Errorf("text after the object")
		}
	}
	if err != nil {
		return Table{}, fmt.Errorf("parse JSON: %w", err)
	}
	return b.Table()
}

func jsonList(d *json.Decoder, b *Builder, named bool) error {
	for d.More() {
		name := ""
		if named {
			tok, err := d.Token()
			if err != nil {
				return err
			}
			name = tok.(string)
		}
		if err := jsonValue(d, b, name); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func jsonValue(d *json.Decoder, b *Builder, name string) error {
	tok, err := d.Token()
	if err != nil {
		return err
	}
	switch v := tok.(type) {
	case json.Delim:
		if v == '{' {
			b.OpenTable(name)
		} else {
			b.OpenArray(name)
		}
		if b.err != nil {
			return b.err
		}
		if err := jsonList(d, b, v == '{'); err != nil {
			return err
		}
		b.Close()
	case json.Number:
		if n, err := v.Int64(); err == nil {
			b.int(name, n)
			break
		}
		f, err := v.Float64()
		if err != nil {
			return err
		}
		b.Double(name, f)
	default:
		b.Value(name, v)
	}
	return b.err
}
