// SPDX-License-Identifier: GPL-2.0-only

// Command mezoura counts, for each host of a LAN, what goes to and comes from the internet.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/mezoura/mezoura/service"
	"github.com/mezoura/mezoura/service/cli"
	"github.com/mezoura/mezoura/service/config"
)

// version is set by the build.
var version = "devel"

const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	err := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	var problems config.Errors
	switch {
	case err == nil:
	case errors.As(err, &problems):
		for _, line := range problems.Lines() {
			fmt.Fprintln(os.Stderr, "mezoura:", line)
		}
		os.Exit(exitUsage)
	default:
		fmt.Fprintln(os.Stderr, "mezoura:", err)
		if errors.Is(err, cli.ErrUsage) {
			os.Exit(exitUsage)
		}
		os.Exit(exitFailure)
	}
}

func run(args []string, in, out *os.File, bad io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "version":
			fmt.Fprintln(out, "mezoura", version)
			return nil
		}
		if slices.Contains(cli.Commands(), args[0]) {
			return cli.Run(context.Background(), args, in, out)
		}
	}
	command, err := config.FromFlags(args)
	if err != nil {
		return err
	}
	switch command.Action {
	case config.Help:
		fmt.Fprint(out, config.Usage(), cli.Usage)
		return nil
	case config.Version:
		fmt.Fprintln(out, "mezoura", version)
		return nil
	case config.Detach:
		return service.Detach(command.Config)
	}
	tune(command.Config)
	endWithJail()
	return service.Run(context.Background(), command, version, newLog(out, bad))
}

// tune keeps the runtime small on a router. GOMAXPROCS and GOMEMLIMIT of the environment come first.
func tune(c config.Config) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(c.Procs, 1))
	}
	if os.Getenv("GOMEMLIMIT") == "" && c.MemoryLimit > 0 {
		debug.SetMemoryLimit(c.MemoryLimit)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25) // the heap is small: collecting often is cheap, and memory is not
	}
}
