// SPDX-License-Identifier: GPL-2.0-only

package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

const (
	// Alternate screen, no cursor; and back.
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
	bold        = "\x1b[1m"
	inverse     = "\x1b[7m"
	plain       = "\x1b[0m"
)

// top shows the busiest hosts until q is typed, or in plain lines, once an interval, where there is no terminal. rounds
// ends it after so many (0: never).
func top(ctx context.Context, bus caller, in, out *os.File, interval time.Duration, rounds int) error {
	if !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return topPlain(ctx, bus, out, interval, rounds)
	}
	raw, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return fmt.Errorf("use terminal: %w", err)
	}
	defer term.Restore(int(in.Fd()), raw)
	io.WriteString(out, enterScreen)
	defer io.WriteString(out, leaveScreen)

	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGWINCH, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	keys := make(chan byte)
	go readKeys(in, keys) // ends with the process, blocked in its read

	tick := time.NewTicker(interval)
	defer tick.Stop()
	v := view{by: byRate}
	v.fetch(ctx, bus)
	for {
		wide, high, err := term.GetSize(int(out.Fd()))
		if err != nil || wide <= 0 || high <= 0 {
			wide, high = 80, 24
		}
		if _, err := io.WriteString(out, v.screen(wide, high)); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case sig := <-signals:
			if sig != syscall.SIGWINCH {
				return nil
			}
		case k := <-keys:
			switch k {
			case 'q', 'Q', 3, 4: // ^C and ^D, too
				return nil
			case 's', 'S':
				v.by = (v.by + 1) % orders
			case 'r', 'R':
				v.reverse = !v.reverse
			}
		case <-tick.C:
			v.fetch(ctx, bus)
			if rounds > 0 {
				if rounds--; rounds == 0 {
					return nil
				}
			}
		}
	}
}

func readKeys(in io.Reader, keys chan<- byte) {
	var b [1]byte
	for {
		if n, err := in.Read(b[:]); err != nil {
			return
		} else if n == 1 {
			keys <- b[0]
		}
	}
}

// view is what the screen shows.
type view struct {
	by      order
	reverse bool
	listing *listing
	err     error
}

func (v *view) fetch(ctx context.Context, bus caller) {
	l, err := fetch(ctx, bus, "", "")
	if v.err = err; err == nil {
		v.listing = l
	}
}

// screen is the whole screen as it is to be.
func (v *view) screen(wide, high int) string {
	var b strings.Builder
	b.WriteString(home)
	line := func(style, text string) {
		b.WriteString(style + clip(text, wide) + plain + clearLine + "\r\n")
	}
	if v.listing == nil {
		if v.err != nil {
			line("", printable(v.err.Error()))
		}
		return b.String() + clearBelow
	}
	l := *v.listing
	l.Hosts = append([]host(nil), l.Hosts...)
	sortHosts(l.Hosts, v.by)
	if v.reverse {
		for i, j := 0, len(l.Hosts)-1; i < j; i, j = i+1, j-1 {
			l.Hosts[i], l.Hosts[j] = l.Hosts[j], l.Hosts[i]
		}
	}
	online := 0
	for i := range l.Hosts {
		if l.Hosts[i].Online {
			online++
		}
	}
	line(bold, fmt.Sprintf("mezoura  %s  %d hosts, %d online  sorted by %s", time.Unix(l.Time, 0).Format(time.TimeOnly), len(l.Hosts), online, v.by))
	lines := table(&l, wide, max(high-5, 1))
	for i, text := range lines {
		switch i {
		case 0:
			line(inverse, text+strings.Repeat(" ", max(0, wide-width(text))))
		case len(lines) - 1:
			line(bold, text)
		default:
			line("", text)
		}
	}
	foot := "s sort  r reverse  q quit"
	if v.err != nil {
		foot = printable(v.err.Error())
	}
	b.WriteString(clip(foot, wide) + clearLine + clearBelow)
	return b.String()
}

func topPlain(ctx context.Context, bus caller, out io.Writer, interval time.Duration, rounds int) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		l, err := fetch(ctx, bus, "", "")
		if err != nil {
			return err
		}
		sortHosts(l.Hosts, byRate)
		text := time.Unix(l.Time, 0).Format(time.TimeOnly) + "\n" + strings.Join(table(l, 0, 20), "\n") + "\n\n"
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
		if rounds > 0 {
			if rounds--; rounds == 0 {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
