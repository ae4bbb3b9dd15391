// SPDX-License-Identifier: GPL-2.0-only

package kernels

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Table formats results: a line for each row, what was proven with the JIT compiler and without, and how long it took.
func Table(results []*Result) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "row\tkernel\tclassifier\tdaemons, each killed\tclock\ts\tcpu s\tverdict")
	for _, r := range results {
		verdict := "PASS"
		if !r.Passed() {
			verdict = "FAIL"
		}
		if r.Tries > 1 {
			verdict += fmt.Sprintf(" (try %d)", r.Tries)
		}
		var classifier, daemon []string
		clock := ""
		counts := map[string][2]int{}
		var order []string
		for _, c := range r.Checks {
			if mode, isDaemon := strings.CutPrefix(c.Name, "daemon/"); isDaemon {
				daemon = append(daemon, fmt.Sprintf("%s %s %.0fs%s", c.Compiler, mode, c.Time.Seconds(), mark(c.Passed)))
				continue
			}
			if c.Name == "clock" {
				clock = fmt.Sprintf("%.0fs%s", c.Time.Seconds(), mark(c.Passed))
				continue
			}
			n, seen := counts[c.Compiler]
			if !seen {
				order = append(order, c.Compiler)
			}
			n[1]++
			if c.Passed {
				n[0]++
			}
			counts[c.Compiler] = n
		}
		for _, compiler := range order {
			n := counts[compiler]
			classifier = append(classifier, fmt.Sprintf("%s %d/%d", compiler, n[0], n[1]))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%.0f\t%.0f\t%s\n", r.Row.Name, orDash(r.Kernel), orDash(strings.Join(classifier, ", ")),
			orDash(strings.Join(daemon, ", ")), orDash(clock), r.Took.Seconds(), r.Used.Seconds(), verdict)
	}
	w.Flush()
	return out.String()
}

func mark(passed bool) string {
	if passed {
		return ""
	}
	return " FAILED"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
