// SPDX-License-Identifier: GPL-2.0-only

package cli

import (
	"context"
	"io"
	"os"
	"time"
)

type Caller = caller

func Table(ctx context.Context, bus Caller, out io.Writer, host, network string, wide int) error {
	return stats(ctx, bus, out, asTable, host, network, wide)
}

func JSON(ctx context.Context, bus Caller, out io.Writer, host, network string) error {
	return stats(ctx, bus, out, asJSON, host, network, 0)
}

func CSV(ctx context.Context, bus Caller, out io.Writer, host, network string) error {
	return stats(ctx, bus, out, asCSV, host, network, 0)
}

func Status(ctx context.Context, bus Caller, out io.Writer, json bool, wide int) error {
	return status(ctx, bus, out, json, wide)
}

func TopPlain(ctx context.Context, bus Caller, in, out *os.File, interval time.Duration, rounds int) error {
	return top(ctx, bus, in, out, interval, rounds)
}

func BytesText(n int64) string            { return bytesText(n) }
func AgoText(now, then int64) string      { return agoText(now, then) }
func DurationText(n int64) string         { return durationText(n) }
func Printable(s string) string           { return printable(s) }
func Width(s string) int                  { return width(s) }
func Clip(s string, columns int) string   { return clip(s, columns) }
func Wrap(s string, columns int) []string { return wrap(s, columns) }
func Cell(s string) string                { return cell(s) }

const (
	EnterScreen = enterScreen
	LeaveScreen = leaveScreen
)
