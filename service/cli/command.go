// SPDX-License-Identifier: GPL-2.0-only

package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/mezoura/mezoura/ubus"
)

// ErrUsage is what errors in the command line are.
var ErrUsage = errors.New("usage")

type usageError string

func (e usageError) Error() string        { return string(e) }
func (e usageError) Is(target error) bool { return target == ErrUsage }

func usage(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

// Usage is the commands in words.
const Usage = `
Commands that ask the running daemon:
  mezoura stats [-json|-csv] [-host MAC|IP|name] [-network name]
                               what every host has used
  mezoura top [-d seconds] [-n rounds]
                               who is using the internet now
  mezoura status [-json]       networks, devices, tables, warnings
  mezoura version              which version this is
Each takes -ubus-socket path for a ubus that is not where it usually is.
`

// Commands are the names Run knows.
func Commands() []string { return []string{"stats", "top", "status"} }

// Run runs the command args[0].
func Run(ctx context.Context, args []string, in, out *os.File) error {
	var (
		f                         = flag.NewFlagSet(args[0], flag.ContinueOnError)
		json, asCSVFlag           bool
		hostname, network, socket string
		seconds                   float64
		rounds                    int
	)
	f.SetOutput(io.Discard)
	f.StringVar(&socket, "ubus-socket", "", "")
	switch args[0] {
	case "stats":
		f.BoolVar(&json, "json", false, "")
		f.BoolVar(&asCSVFlag, "csv", false, "")
		f.StringVar(&hostname, "host", "", "")
		f.StringVar(&network, "network", "", "")
	case "status":
		f.BoolVar(&json, "json", false, "")
	case "top":
		f.Float64Var(&seconds, "d", 2, "")
		f.IntVar(&rounds, "n", 0, "")
	default:
		return usage("%q is not a command: one of %s", args[0], strings.Join(Commands(), ", "))
	}
	if err := f.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, err := io.WriteString(out, Usage[1:])
			return err
		}
		return usage("%s: %v; mezoura %s -h lists the flags", args[0], err, args[0])
	}
	switch {
	case f.NArg() > 0:
		return usage("%s: %q is not a flag; mezoura %s -h lists the flags", args[0], f.Arg(0), args[0])
	case json && asCSVFlag:
		return usage("stats: -json and -csv together")
	case args[0] == "top" && !(seconds >= 0.2 && seconds <= 3600):
		return usage("top: -d %v: want 0.2 to 3600 seconds", seconds)
	case rounds < 0:
		return usage("top: -n %d: want 0 (without end) or more", rounds)
	}

	conn, err := ubus.Dial(ctx, ubus.Options{Socket: socket})
	if err != nil {
		return explainDial(err)
	}
	defer conn.Close()
	wide := 0
	if term.IsTerminal(int(out.Fd())) {
		wide, _, _ = term.GetSize(int(out.Fd()))
	}
	switch args[0] {
	case "stats":
		how := asTable
		if json {
			how = asJSON
		} else if asCSVFlag {
			how = asCSV
		}
		return stats(ctx, conn, out, how, hostname, network, wide)
	case "status":
		return status(ctx, conn, out, json, wide)
	}
	return top(ctx, conn, in, out, time.Duration(seconds*float64(time.Second)), rounds)
}
