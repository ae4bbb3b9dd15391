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

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// patience is how long top waits for one answer.
const patience = 5 * time.Second

// top shows the busiest hosts until q is typed, or in plain lines, once an interval, where there is no terminal. rounds
// ends it after so many (0: never). A daemon that is not there at first is an error; one that goes away is waited for.
func top(ctx context.Context, bus caller, in, out *os.File, interval time.Duration, rounds int) error {
	first, err := ask(ctx, bus)
	if err != nil {
		return err
	}
	if !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) || os.Getenv("TERM") == "dumb" {
		return topPlain(ctx, bus, out, interval, rounds, first)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of an answer that is still waited for
	s := &screen{in: in, out: out}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()

	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	keys := make(chan key)
	go readKeys(ctx, in, keys) // ends with the process, blocked in its read

	tick := time.NewTicker(interval)
	defer tick.Stop()
	answers := make(chan answer, 1)
	asked := false
	v := view{by: byRate, listing: first}
	for {
		wide, high := s.size()
		if err := s.draw(v.screen(wide, high)); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case sig := <-signals:
			switch sig {
			case syscall.SIGWINCH:
			case syscall.SIGCONT: // whoever stopped us has had the terminal
				err = s.enter()
			default:
				return nil
			}
		case k, ok := <-keys:
			switch {
			case !ok, k == keyQuit:
				return nil
			case k == keySuspend:
				s.leave()
				err = unix.Kill(unix.Getpid(), unix.SIGTSTP)
			default:
				v.key(k, tableRows(high))
			}
		case <-tick.C:
			err = s.enter() // if nobody has stopped us after all
			if !asked {
				asked = true
				go func() {
					l, err := ask(ctx, bus)
					answers <- answer{l, err}
				}()
			}
		case a := <-answers:
			asked = false
			v.take(a)
			if rounds > 0 {
				if rounds--; rounds == 0 {
					return nil
				}
			}
		}
		if err != nil {
			return err
		}
	}
}

type answer struct {
	listing *listing
	err     error
}

func ask(ctx context.Context, bus caller) (*listing, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return fetch(ctx, bus, "", "")
}

// topPlain is top for a file or a pipe.
func topPlain(ctx context.Context, bus caller, out io.Writer, interval time.Duration, rounds int, l *listing) (err error) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		text := ""
		if err != nil {
			text = time.Now().Format(time.TimeOnly) + " " + printable(err.Error()) + "\n\n"
		} else {
			sortHosts(l.Hosts, byRate)
			text = time.Unix(l.Time, 0).Format(time.TimeOnly) + "\n" + strings.Join(table(l, 0, 0, 20, byRate), "\n") + "\n\n"
		}
		if _, err := io.WriteString(out, text); err != nil {
			return fmt.Errorf("write: %w", err)
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
		l, err = ask(ctx, bus)
	}
}
