// SPDX-License-Identifier: GPL-2.0-only

package config

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

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
