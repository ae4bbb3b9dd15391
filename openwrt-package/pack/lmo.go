// SPDX-License-Identifier: GPL-2.0-only

package pack

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// A catalogue of LuCI (.lmo) is, all numbers big endian and 32 bits wide:
//
//	the translations, one after the other, each padded with zeros to 4 bytes
//	an index of 16 bytes for each, sorted by the first number:
//	    hash of the key | plural forms | offset | length
//	the offset of the index
//
// The key is the message, preceded by its context and \x01, followed by \x02
// and the number of the form where it has a plural, with white space as the pages
// make it before they look a message up. The rule for the plural is an
// entry with a key of 0. What is not translated is left out.
type entry struct{ key, forms, offset, length uint32 }

// message is one entry of a .po file.
type message struct {
	context, id  string
	plural       bool
	fuzzy        bool
	translations map[int]string
}

// CompilePO makes LuCI's catalogue of a .po file. It is empty when nothing is
// translated.
func CompilePO(text []byte) ([]byte, error) {
	messages, err := parsePO(text)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	var index []entry
	add := func(key, forms uint32, value string) {
		index = append(index, entry{key, forms, uint32(body.Len()), uint32(len(value))})
		body.WriteString(value)
		for body.Len()%4 != 0 {
			body.WriteByte(0)
		}
	}
	translated := false
	for _, m := range messages {
		if m.fuzzy {
			continue
		}
		if m.id == "" {
			if rule := pluralRule(m.translations[0]); rule != "" {
				add(0, 0, rule)
			}
			continue
		}
		for form := 0; form < len(m.translations); form++ {
			value := m.translations[form]
			if value == "" {
				continue
			}
			key := canonical(m.id)
			if m.context != "" {
				key = canonical(m.context) + "\x01" + key
			}
			if m.plural {
				key += "\x02" + strconv.Itoa(form)
			}
			if hash(key) == hash(value) {
				continue // the same word in both languages
			}
			add(hash(key), uint32(len(m.translations)), value)
			translated = true
		}
	}
	if !translated {
		return nil, nil
	}
	sort.SliceStable(index, func(i, j int) bool { return index[i].key < index[j].key })
	start := uint32(body.Len())
	for _, e := range index {
		for _, n := range []uint32{e.key, e.forms, e.offset, e.length} {
			_ = binary.Write(&body, binary.BigEndian, n) // to memory
		}
	}
	_ = binary.Write(&body, binary.BigEndian, start)
	return body.Bytes(), nil
}

// canonical has one blank for every run of white space, and none at the ends.
func canonical(s string) string { return strings.Join(strings.Fields(s), " ") }

// pluralRule is the rule in the header of a .po file.
func pluralRule(header string) string {
	for _, line := range strings.Split(header, "\n") {
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "Plural-Forms") {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// parsePO reads gettext's text format, as far as LuCI's files use it.
func parsePO(text []byte) ([]message, error) {
	var (
		list   []message
		m      = message{translations: map[int]string{}}
		field  func(string) // takes the rest of a string that goes on
		fuzzy  bool
		number int
	)
	flush := func() {
		if len(m.translations) > 0 {
			list = append(list, m)
		}
		m, field = message{translations: map[int]string{}}, nil
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		number++
		line := strings.TrimSpace(lines.Text())
		switch {
		case strings.HasPrefix(line, "#,") && strings.Contains(line, "fuzzy"):
			fuzzy = true
			continue
		case line == "", strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, `"`):
			if field == nil {
				return nil, fmt.Errorf("line %d: a string that belongs to nothing", number)
			}
			value, err := unquote(line)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", number, err)
			}
			field(value)
			continue
		}
		keyword, rest, _ := strings.Cut(line, " ")
		value, err := unquote(strings.TrimSpace(rest))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		switch {
		case keyword == "msgctxt":
			flush()
			field = func(s string) { m.context += s }
		case keyword == "msgid":
			if len(m.translations) > 0 {
				flush()
			}
			m.fuzzy, fuzzy = fuzzy, false
			field = func(s string) { m.id += s }
		case keyword == "msgid_plural":
			m.plural = true
			field = func(string) {}
		case keyword == "msgstr":
			field = func(s string) { m.translations[0] += s }
		case strings.HasPrefix(keyword, "msgstr[") && strings.HasSuffix(keyword, "]"):
			form, err := strconv.Atoi(keyword[7 : len(keyword)-1])
			if err != nil || form < 0 || form > 9 {
				return nil, fmt.Errorf("line %d: plural form %q: want 0 to 9", number, keyword)
			}
			field = func(s string) { m.translations[form] += s }
		default:
			return nil, fmt.Errorf("line %d: unknown keyword %q", number, keyword)
		}
		field(value)
	}
	flush()
	return list, lines.Err()
}

func unquote(s string) (string, error) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", errors.New("want a string in double quotes")
	}
	s = s[1 : len(s)-1]
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return "", errors.New("a double quote inside a string")
		case s[i] != '\\':
			b.WriteByte(s[i])
		case i+1 == len(s):
			return "", errors.New("a backslash at the end of a string")
		default:
			i++
			switch s[i] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case 'r':
				b.WriteByte('\r')
			case '"', '\\':
				b.WriteByte(s[i])
			default:
				return "", fmt.Errorf("unknown escape \\%c", s[i])
			}
		}
	}
	return b.String(), nil
}

// hash is Paul Hsieh's SuperFastHash, which LuCI's pages compute too. It takes
// 16 bits little endian at a time; a byte alone at the end is signed.
func hash(s string) uint32 {
	if s == "" {
		return 0
	}
	pair := func(i int) uint32 { return uint32(s[i]) | uint32(s[i+1])<<8 }
	signed := func(i int) uint32 { return uint32(int32(int8(s[i]))) }

	h, i := uint32(len(s)), 0
	for ; len(s)-i >= 4; i += 4 {
		h += pair(i)
		h = h<<16 ^ pair(i+2)<<11 ^ h
		h += h >> 11
	}
	switch len(s) - i {
	case 3:
		h += pair(i)
		h ^= h << 16
		h ^= signed(i+2) << 18
		h += h >> 11
	case 2:
		h += pair(i)
		h ^= h << 11
		h += h >> 17
	case 1:
		h += signed(i)
		h ^= h << 10
		h += h >> 1
	}
	h ^= h << 3
	h += h >> 5
	h ^= h << 4
	h += h >> 17
	h ^= h << 25
	h += h >> 6
	return h
}
