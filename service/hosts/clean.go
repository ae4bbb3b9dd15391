// SPDX-License-Identifier: GPL-2.0-only

package hosts

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is how many bytes of a name are kept.
const maxName = 255

// maxMarks is how many combining marks may follow each other. Real scripts use
// three; without a bound a name reaches over the rows above and below.
const maxMarks = 4

// Clean makes a name safe to show. Names come from clients, which may send any
// bytes. What remains is valid UTF-8 of at most 255 bytes: letters, marks, numbers,
// punctuation, symbols and single blanks between them. Control characters, those
// that change the direction of writing, and those that cannot be seen are gone;
// bytes that are no UTF-8 become U+FFFD. A name with nothing left is "".
func Clean(name string) string {
	if plain(name) {
		return name
	}
	var b strings.Builder
	marks, blank := 0, false
	for _, c := range name {
		switch {
		case unicode.Is(unicode.Zs, c), c == '\t', c == '\n', c == '\r':
			blank = b.Len() > 0
			continue
		case !unicode.IsGraphic(c), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, c), unicode.Is(unicode.Variation_Selector, c), c == '\u2800':
			continue
		case unicode.Is(unicode.M, c):
			if marks++; marks > maxMarks {
				continue
			}
		default:
			marks = 0
		}
		size := utf8.RuneLen(c)
		if blank {
			size++
		}
		if b.Len()+size > maxName {
			break
		}
		if blank {
			b.WriteByte(' ')
			blank = false
		}
		b.WriteRune(c)
	}
	return b.String()
}

// plain tells whether a name is what nearly all are: letters, digits, - _ and dots.
func plain(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return len(name) <= maxName
}
