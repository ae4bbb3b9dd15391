// SPDX-License-Identifier: GPL-2.0-only

package config

import (
	"fmt"
	"strings"
)

// Action is what the command line asks for.
type Action int

const (
	Run     Action = iota // count, until told to stop
	Detach                // take everything of ours out of the kernel
	Version               // say which version this is
	Help                  // show Usage
)

// Command is a command line that was understood.
type Command struct {
	Action Action
	Config Config // the flags over the defaults: the whole configuration unless UCI
	UCI    bool   // no -4: /etc/config/mezoura is read, and the flags are put over it

	flags []assignment
}

type assignment struct {
	option Option
	value  string
}

// Load is the configuration the command line asks for, as it is now: from the
// tree with the flags over it, or from the flags alone. Called again at a reload.
func (c Command) Load(t Tree) (Config, error) {
	if !c.UCI {
		return c.Config, nil
	}
	config, err := FromUCI(t)
	if err != nil {
		return Config{}, err
	}
	fixed := c.Config
	config.StateDir, config.BPFFS = fixed.StateDir, fixed.BPFFS
	leases := config.Paths.Leases
	config.Paths = fixed.Paths
	config.Paths.Leases = leases
	problems := apply(&config, c.flags)
	if len(problems) == 0 {
		problems = config.checkFlags()
	}
	if len(problems) > 0 {
		return Config{}, problems
	}
	return config, nil
}

// checkFlags is check with flags in the place of options where there are any.
func (c *Config) checkFlags() Errors {
	problems := c.check()
	for i := range problems {
		for _, o := range options() {
			if o.Name == problems[i].Option && o.Flag != "" {
				problems[i].Flag = o.Flag
			}
		}
	}
	return problems
}

// apply puts values over a configuration; the first of a list replaces it.
func apply(c *Config, values []assignment) Errors {
	var problems Errors
	cleared := make(map[string]bool)
	for _, a := range values {
		if a.option.clear != nil && !cleared[a.option.Name] {
			cleared[a.option.Name] = true
			a.option.clear(c)
		}
		if err := a.option.set(c, a.value); err != nil {
			problems = append(problems, Problem{Flag: a.option.Flag, Value: a.value, Want: "want " + a.option.Allowed})
		}
	}
	return problems
}

// pathFlags are the flags that no option of the file can set.
func pathFlags() []Option {
	path := func(name, help string, field func(*Config) *string) Option {
		return Option{Flag: name, Arg: "directory", Allowed: "an absolute path", Help: help,
			set: func(c *Config, v string) error {
				if !validPath(v) {
					return errValue
				}
				*field(c) = v
				return nil
			}}
	}
	return []Option{
		path("-config", "Where the files mezoura and dhcp are.", func(c *Config) *string { return &c.Paths.EtcConfig }),
		path("-state", "Where totals are kept over a restart.", func(c *Config) *string { return &c.StateDir }),
		path("-bpffs", "Where programs and tables are pinned.", func(c *Config) *string { return &c.BPFFS }),
	}
}

// FromFlags reads a command line without the program's name. It takes what
// getopt took for the original (-ep9999) as well as long names with one dash or
// two. The error is of type Errors and holds everything that is wrong.
func FromFlags(args []string) (Command, error) {
	cmd := Command{Config: Default(), UCI: true}
	known := make(map[string]Option)
	for _, o := range append(options(), pathFlags()...) {
		if o.Flag != "" {
			known[o.Flag] = o
		}
	}
	actions := map[string]Action{"-detach": Detach, "-version": Version, "-help": Help, "-h": Help}

	var problems Errors
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if len(arg) < 2 || arg[0] != '-' || arg == "--" {
			problems = append(problems, Problem{Value: arg, Want: "not a flag or command; mezoura -help lists them"})
			continue
		}
		name, value, given := strings.Cut(arg, "=")
		if strings.HasPrefix(name, "--") {
			name = name[1:]
		}
		if action, ok := actions[name]; ok && !given {
			cmd.Action = max(cmd.Action, action)
			continue
		}
		option, ok := known[name]
		if !ok {
			var rest string
			if option, rest, ok = cluster(known, arg); ok && option.Arg == "" {
				args = append([]string{rest}, args...)
				value, given = "1", true
			} else if ok {
				value, given = rest, true
			}
		}
		switch {
		case !ok:
			problems = append(problems, Problem{Flag: name, Want: "unknown; mezoura -help lists the flags"})
			continue
		case given:
		case option.Arg == "":
			value = "1"
		case len(args) == 0:
			problems = append(problems, Problem{Flag: option.Flag, Want: "want " + option.Allowed})
			continue
		default:
			value, args = args[0], args[1:]
		}
		cmd.flags = append(cmd.flags, assignment{option, value})
		if option.Name == "subnet" {
			cmd.UCI = false
		}
	}
	if !cmd.UCI {
		cmd.Config.Networks = nil
	}
	problems = append(problems, apply(&cmd.Config, cmd.flags)...)
	if len(problems) == 0 {
		problems = cmd.Config.checkFlags()
	}
	if len(problems) > 0 {
		return Command{}, problems
	}
	return cmd, nil
}

// cluster splits one-letter flags written together: -ep9999 is -e -p 9999. What
// cannot be meant that way, such as a mistyped long name, is refused.
func cluster(known map[string]Option, arg string) (o Option, rest string, ok bool) {
	if len(arg) < 3 || arg[1] == '-' {
		return Option{}, "", false
	}
	o, ok = known[arg[:2]]
	rest = arg[2:]
	switch {
	case !ok:
		return Option{}, "", false
	case o.Arg != "":
		return o, rest, rest[0] >= '0' && rest[0] <= '9' || o.Name == "prefix6" && strings.Contains(rest, ":")
	}
	next := "-" + rest
	if _, ok = known[next]; !ok || len(next) != 2 {
		_, _, ok = cluster(known, next)
	}
	return o, next, ok
}

// Usage is the text of -help: every flag with its default.
func Usage() string {
	var b strings.Builder
	b.WriteString("usage: mezoura [flags]\n       mezoura stats|top|status|version [flags]\n\n" +
		"Without -4 the configuration is read from /etc/config/mezoura.\n\n")
	line := func(flag, arg, help, standard string) {
		if arg != "" {
			flag += " " + arg
		}
		if standard != "" {
			help += " (" + standard + ")"
		}
		fmt.Fprintf(&b, "  %s\n        %s\n", flag, help)
	}
	for _, o := range options() {
		if o.Flag == "" {
			continue
		}
		line(o.Flag, o.Arg, o.Help, strings.Join(o.Default, ", "))
	}
	d := Default()
	for _, o := range pathFlags() {
		line(o.Flag, o.Arg, o.Help, map[string]string{"-config": d.Paths.EtcConfig, "-state": d.StateDir, "-bpffs": d.BPFFS}[o.Flag])
	}
	line("-detach", "", "Stop counting and take everything of ours out of the kernel.", "")
	line("-version", "", "Show the version.", "")
	return b.String()
}
