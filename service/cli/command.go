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

// ErrUsage is wrapped by errors in the command line.
var ErrUsage = errors.New("usage")

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
		return fmt.Errorf("command %q: %w: one of %s", args[0], ErrUsage, strings.Join(Commands(), ", "))
	}
	if err := f.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, err := io.WriteString(out, Usage[1:])
			return err
		}
		return fmt.Errorf("mezoura %s: %w: %w", args[0], ErrUsage, err)
	}
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("mezoura %s: %w: %q is not a flag", args[0], ErrUsage, f.Arg(0))
	case json && asCSVFlag:
		return fmt.Errorf("mezoura stats: %w: -json and -csv together", ErrUsage)
	case args[0] == "top" && !(seconds >= 0.2 && seconds <= 3600):
		return fmt.Errorf("mezoura top: %w: -d %v: want 0.2 to 3600 seconds", ErrUsage, seconds)
	}

	conn, err := ubus.Dial(ctx, ubus.Options{Socket: socket})
	if err != nil {
		return fmt.Errorf("%w: is ubusd running?", err)
	}
	defer conn.Close()
	switch args[0] {
	case "stats":
		how := asTable
		if json {
			how = asJSON
		} else if asCSVFlag {
			how = asCSV
		}
		wide := 0
		if term.IsTerminal(int(out.Fd())) {
			wide, _, _ = term.GetSize(int(out.Fd()))
		}
		return stats(ctx, conn, out, how, hostname, network, wide)
	case "status":
		return status(ctx, conn, out, json)
	}
	return top(ctx, conn, in, out, time.Duration(seconds*float64(time.Second)), rounds)
}
