// SPDX-License-Identifier: GPL-2.0-only

package service

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mezoura/mezoura/service/account"
)

const (
	stateName  = "book"
	stateMagic = "mezoura state 1\n"
	newSuffix  = ".new"
)

// state is what outlives the process besides the kernel's tables: the book, and which parts of which tables are in it
// already. Both are one file, replaced at once, so that a packet is in the book or in the tables, never in both.
type state struct {
	path   string
	closed map[string]uint32 // tables -> the last generation that is in the book
	ended  map[string]bool   // tables that are in the book whole
	clock  clock             // when the book that was read had been written
}

// readState reads the file into the book. A file that is not there is a first start; one that can not be read is
// reported, and the book begins anew.
func readState(dir string, book *account.Book) (*state, error) {
	s := &state{path: filepath.Join(dir, stateName), closed: map[string]uint32{}, ended: map[string]bool{}}
	data, err := os.ReadFile(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read book: %w", err)
	}
	if err := s.parse(data, book); err != nil {
		s.closed, s.ended = map[string]uint32{}, map[string]bool{}
		return s, fmt.Errorf("read book %s: %w: totals begin anew", s.path, err)
	}
	now := readClock()
	book.Resume(time.Now(), now.setSince(s.clock))
	return s, nil
}

func (s *state) parse(data []byte, book *account.Book) error {
	rest, ok := bytes.CutPrefix(data, []byte(stateMagic))
	if !ok {
		return errors.New("not a state file of this version")
	}
	for {
		line, after, ok := bytes.Cut(rest, []byte("\n"))
		if !ok {
			return errors.New("cut short")
		}
		rest = after
		words := strings.Fields(string(line))
		switch {
		case len(words) == 0:
			return book.UnmarshalBinary(rest)
		case words[0] == "closed" && len(words) == 3:
			generation, err := strconv.ParseUint(words[2], 10, 32)
			if err != nil {
				return fmt.Errorf("generation %q", words[2])
			}
			s.closed[words[1]] = uint32(generation)
		case words[0] == "ended" && len(words) == 2:
			s.ended[words[1]] = true
		case words[0] == "clock" && len(words) == 3:
			started, err := strconv.ParseInt(words[2], 10, 64)
			if err != nil || started < 0 || started > maxStarted {
				return fmt.Errorf("clock %q", words[2])
			}
			s.clock = clock{words[1], time.UnixMilli(started)}
		default:
			return fmt.Errorf("line %.40q", line)
		}
	}
}

// write replaces the file. On a full disk the old one stays, and with it all it stands for.
func (s *state) write(book *account.Book) error {
	var b bytes.Buffer
	b.WriteString(stateMagic)
	for id, generation := range s.closed {
		fmt.Fprintf(&b, "closed %s %d\n", id, generation)
	}
	for id := range s.ended {
		fmt.Fprintf(&b, "ended %s\n", id)
	}
	if now := readClock(); now.boot != "" {
		fmt.Fprintf(&b, "clock %s %d\n", now.boot, max(now.started.UnixMilli(), 0))
	}
	b.WriteByte('\n')
	data, err := book.AppendBinary(b.Bytes())
	if err != nil {
		return fmt.Errorf("write book: %w", err)
	}
	// Of a fixed name, so that nothing piles up after kills; the lock says that nobody else writes it.
	tmp := s.path + newSuffix
	err = writeFile(tmp, data)
	if err == nil {
		err = os.Rename(tmp, s.path)
	}
	if err != nil {
		os.Remove(tmp)
		return fmt.Errorf("write book: %w", err)
	}
	return nil
}

// writeFile makes a file that only its owner reads, and follows no link that is in its place.
func writeFile(path string, data []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
