// SPDX-License-Identifier: GPL-2.0-only

package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

const (
	// Alternate screen, no cursor, lines that do not wrap; and back.
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	leaveScreen = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
	bold        = "\x1b[1m"
	faint       = "\x1b[2m"
	inverse     = "\x1b[7m"
	plain       = "\x1b[0m"
)

// screen is the terminal while it is ours.
type screen struct {
	in, out *os.File
	before  *term.State // how it was; nil while it is not ours
}

// enter takes the terminal. Called again it makes sure that it is ours still.
func (s *screen) enter() error {
	state, err := term.MakeRaw(int(s.in.Fd()))
	if err != nil {
		return fmt.Errorf("use terminal: %w", err)
	}
	if s.before == nil {
		s.before = state
		_, err = io.WriteString(s.out, enterScreen)
	}
	return err
}

// leave gives it back as it was.
func (s *screen) leave() {
	if s.before == nil {
		return
	}
	io.WriteString(s.out, leaveScreen)
	term.Restore(int(s.in.Fd()), s.before)
	s.before = nil
}

func (s *screen) size() (wide, high int) {
	wide, high, err := term.GetSize(int(s.out.Fd()))
	if err != nil || wide <= 0 || high <= 0 {
		return 80, 24
	}
	return wide, high
}

func (s *screen) draw(text string) error {
	if s.before == nil {
		return nil
	}
	if _, err := io.WriteString(s.out, text); err != nil {
		return fmt.Errorf("write to terminal: %w", err)
	}
	return nil
}

// key is what a key is for.
type key int

const (
	keyNone key = iota
	keyQuit
	keySuspend
	keySort
	keyReverse
	keyUp
	keyDown
	keyPageUp
	keyPageDown
	keyHome
	keyEnd
)

// parseKey reads what one key sends.
func parseKey(b []byte) key {
	switch string(b) {
	case "q", "Q", "\x03", "\x04": // ^C and ^D, too
		return keyQuit
	case "\x1a":
		return keySuspend
	case "s", "S":
		return keySort
	case "r", "R":
		return keyReverse
	case "k", "\x1b[A", "\x1bOA":
		return keyUp
	case "j", "\x1b[B", "\x1bOB":
		return keyDown
	case "b", "\x1b[5~":
		return keyPageUp
	case " ", "\x1b[6~":
		return keyPageDown
	case "g", "\x1b[H", "\x1bOH", "\x1b[1~":
		return keyHome
	case "G", "\x1b[F", "\x1bOF", "\x1b[4~":
		return keyEnd
	}
	return keyNone
}

// keyLength is how many bytes the first key of b has sent: one, or a sequence from ESC on.
func keyLength(b []byte) int {
	switch {
	case b[0] != '\x1b' || len(b) < 2:
		return 1
	case b[1] == 'O':
		return min(len(b), 3)
	case b[1] != '[':
		return 2
	}
	for i, c := range b[2:] {
		if c >= 0x40 && c <= 0x7e {
			return i + 3
		}
	}
	return len(b)
}

// readKeys sends keys until the terminal is gone; then it closes the channel.
func readKeys(ctx context.Context, in io.Reader, keys chan<- key) {
	defer close(keys)
	var buf [64]byte
	for {
		n, err := in.Read(buf[:])
		if err != nil {
			return
		}
		for b := buf[:n]; len(b) > 0; {
			one := b[:keyLength(b)]
			b = b[len(one):]
			select {
			case keys <- parseKey(one):
			case <-ctx.Done():
				return
			}
		}
	}
}
