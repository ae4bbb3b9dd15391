// SPDX-License-Identifier: GPL-2.0-only

package uci_test

import (
	"fmt"
	"strings"

	"github.com/mezoura/mezoura/service/uci"
)

// export writes a package as `uci export` does.
func export(name string, p *uci.Package) string {
	escape := func(s string) string { return strings.ReplaceAll(s, `'`, `'\''`) }
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n", escape(name))
	for _, s := range p.Sections {
		fmt.Fprintf(&b, "\nconfig %s '%s'\n", escape(s.Type), escape(s.Name))
		for _, o := range s.Options {
			word := "option"
			if o.List {
				word = "list"
			}
			for _, v := range o.Values {
				fmt.Fprintf(&b, "\t%s %s '%s'\n", word, escape(o.Name), escape(v.Text))
			}
		}
	}
	return b.String() + "\n"
}
