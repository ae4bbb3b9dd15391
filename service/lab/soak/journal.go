// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"fmt"
	"sort"
	"strings"
	"time"
)

// journal is what has happened, for the message of a failure.
type journal struct {
	began   time.Time
	entries []entry
}

type entry struct {
	name, detail string
	at, took     time.Duration // took is 0 while it is under way
}

// journalEnd is how many of the last events a message has; of those before, only how many.
const journalEnd = 40

func (j *journal) begin(name string) {
	j.entries = append(j.entries, entry{name: name, at: time.Since(j.began)})
}

// note adds to what is known of the event under way.
func (j *journal) note(format string, args ...any) {
	if len(j.entries) > 0 {
		e := &j.entries[len(j.entries)-1]
		e.detail += " " + fmt.Sprintf(format, args...)
	}
}

func (j *journal) end() {
	e := &j.entries[len(j.entries)-1]
	e.took = time.Since(j.began) - e.at
}

// counts tells how often each event was brought about.
func (j *journal) counts() string {
	times := map[string]int{}
	for _, e := range j.entries {
		times[e.name]++
	}
	var list []string
	for name, n := range times {
		list = append(list, fmt.Sprintf("%s %d", name, n))
	}
	sort.Strings(list)
	return fmt.Sprintf("%d events: %s", len(j.entries), strings.Join(list, ", "))
}

func (j *journal) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\t%s", j.counts())
	for i := max(0, len(j.entries)-journalEnd); i < len(j.entries); i++ {
		e := j.entries[i]
		took := "not over"
		if e.took > 0 {
			took = fmt.Sprintf("%.1f s", e.took.Seconds())
		}
		fmt.Fprintf(&b, "\n\t%4d at %6.1f s: %s%s (%s)", i+1, e.at.Seconds(), e.name, e.detail, took)
	}
	return b.String()
}
