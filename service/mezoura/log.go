// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"context"
	"io"
	"log/slog"
)

// split is a log in two streams: what went well, and from warnings on what did not.
// procd gives the log daemon.info for a line of standard output and daemon.err for one of standard error.
type split struct{ well, ill slog.Handler }

func newLog(well, ill io.Writer) *slog.Logger {
	return slog.New(split{slog.NewTextHandler(well, nil), slog.NewTextHandler(ill, nil)})
}

func (s split) handler(level slog.Level) slog.Handler {
	if level < slog.LevelWarn {
		return s.well
	}
	return s.ill
}

// Enabled implements slog.Handler.
func (s split) Enabled(ctx context.Context, level slog.Level) bool {
	return s.handler(level).Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (s split) Handle(ctx context.Context, r slog.Record) error {
	return s.handler(r.Level).Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (s split) WithAttrs(attrs []slog.Attr) slog.Handler {
	return split{s.well.WithAttrs(attrs), s.ill.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (s split) WithGroup(name string) slog.Handler {
	return split{s.well.WithGroup(name), s.ill.WithGroup(name)}
}
