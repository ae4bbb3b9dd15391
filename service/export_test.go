// SPDX-License-Identifier: GPL-2.0-only

package service

import (
	"os"

	"github.com/mezoura/mezoura/service/account"
)

// State is the state file, for its tests.
type State struct{ *state }

func ReadState(dir string, book *account.Book) (State, error) {
	s, err := readState(dir, book)
	return State{s}, err
}

func (s State) Write(book *account.Book) error              { return s.write(book) }
func (s State) Parse(data []byte, book *account.Book) error { return s.parse(data, book) }
func (s State) Close(tables string, generation uint32)      { s.closed[tables] = generation }
func (s State) End(tables string)                           { s.ended[tables] = true }
func (s State) Closed(tables string) (generation uint32, ok bool) {
	generation, ok = s.closed[tables]
	return generation, ok
}
func (s State) Ended(tables string) bool { return s.ended[tables] }
func (s State) Len() int                 { return len(s.closed) + len(s.ended) }

func Lock(dir string) (*os.File, error) { return lock(dir) }

func BPFFS(dir string) error { return bpffs(dir) }

func ErrRunning() error { return errRunning }
