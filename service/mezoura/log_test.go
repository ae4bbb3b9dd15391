// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"context"
	"log/slog"
	"regexp"
	"strings"
	"testing"
)

func TestLog(t *testing.T) {
	var well, ill strings.Builder
	log := newLog(&well, &ill)
	log.Debug("unasked")
	log.Info("counting", "device", "br-lan")
	log.With("device", "lan1").WithGroup("bpf").Warn("waiting", "mode", "tcx")
	log.Error("gone")
	time := regexp.MustCompile(`(?m)^time=\S+ `)
	if got, want := time.ReplaceAllString(well.String(), ""), "level=INFO msg=counting device=br-lan\n"; got != want {
		t.Errorf("went well: %q, want %q", got, want)
	}
	if got, want := time.ReplaceAllString(ill.String(), ""), "level=WARN msg=waiting device=lan1 bpf.mode=tcx\nlevel=ERROR msg=gone\n"; got != want {
		t.Errorf("did not: %q, want %q", got, want)
	}
	if log.Enabled(context.Background(), slog.LevelDebug) {
		t.Error("debugs")
	}
}
