// SPDX-License-Identifier: GPL-2.0-only

package soak_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/mezoura/mezoura/service/lab/soak"
)

// stacks is what the runtime prints of this process's goroutines, as it does when a process is sent SIGQUIT.
func stacks() []string {
	b := make([]byte, 1<<20)
	return strings.Split(string(b[:runtime.Stack(b, true)]), "\n")
}

// TestGoroutines starts some goroutines, and wants them to be counted and their origin to be named.
func TestGoroutines(t *testing.T) {
	before := soak.ParseGoroutines(stacks())
	stop, ended := make(chan struct{}), make(chan struct{})
	const more = 7
	for range more {
		go func() { <-stop; ended <- struct{}{} }()
	}
	now := soak.ParseGoroutines(stacks())
	if got, want := total(now), total(before)+more; got != want {
		t.Errorf("%d goroutines, want %d: %v", got, want, now)
	}
	if err := soak.Grown(now, before); err == nil || !strings.Contains(err.Error(), "7 by ") || !strings.Contains(err.Error(), "TestGoroutines") {
		t.Errorf("seven more: %v", err)
	}
	if err := soak.Grown(before, now); err != nil {
		t.Errorf("fewer: %v", err)
	}
	close(stop)
	for range more {
		<-ended
	}
}

func total(g map[string]int) (n int) {
	for _, c := range g {
		n += c
	}
	return n
}

// TestLeft sees that one object more is one too many.
func TestLeft(t *testing.T) {
	for _, c := range []struct {
		maps, pins int
		want       string
	}{{7, 7, ""}, {6, 7, ""}, {8, 7, "8 maps, 7 before"}, {7, 9, "9 pins, 7 before"}} {
		if got := strings.Join(soak.Left(c.maps, c.pins, 7), "; "); got != c.want {
			t.Errorf("%d maps and %d pins: %q, want %q", c.maps, c.pins, got, c.want)
		}
	}
}
