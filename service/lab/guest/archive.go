// SPDX-License-Identifier: GPL-2.0-only

package guest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// archive writes an initramfs: cpio in the form "newc". It is not compressed: writing here and reading there is faster.
type archive struct {
	to    *bufio.Writer
	inode int
	made  map[string]bool
	err   error // the first one; everything after it is dropped
}

func newArchive(to io.Writer) *archive {
	return &archive{to: bufio.NewWriterSize(to, 1<<20), made: map[string]bool{".": true}}
}

const (
	typeFolder = 0o040000
	typeFile   = 0o100000
	typeDevice = 0o020000
	typeLink   = 0o120000
)

// entry writes one member; name has no leading slash.
func (a *archive) entry(name string, mode int, device [2]int, data []byte) {
	if a.err != nil {
		return
	}
	a.inode++
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.inode, mode, 0, 0, 1, 0, len(data), 0, 0, device[0], device[1], len(name)+1, 0)
	padded := func(s string) string { return s + strings.Repeat("\x00", -len(s)&3) }
	if _, a.err = io.WriteString(a.to, padded(header+name+"\x00")); a.err != nil {
		return
	}
	if _, a.err = a.to.Write(data); a.err != nil {
		return
	}
	_, a.err = a.to.Write(make([]byte, -len(data)&3))
}

func (a *archive) folder(name string) {
	name = strings.TrimPrefix(path.Clean(name), "/")
	if a.made[name] || name == "" {
		return
	}
	a.folder(path.Dir(name))
	a.made[name] = true
	a.entry(name, typeFolder|0o755, [2]int{}, nil)
}

// file adds a file with its folders; a second one of the same name is left out.
func (a *archive) file(name string, mode int, data []byte) {
	name = strings.TrimPrefix(path.Clean(name), "/")
	if a.made[name] {
		return
	}
	a.folder(path.Dir(name))
	a.made[name] = true
	a.entry(name, typeFile|mode, [2]int{}, data)
}

// link adds a symbolic link with its folders.
func (a *archive) link(name, to string) {
	name = strings.TrimPrefix(path.Clean(name), "/")
	a.folder(path.Dir(name))
	a.made[name] = true
	a.entry(name, typeLink|0o777, [2]int{}, []byte(to))
}

// copy adds a file of this machine.
func (a *archive) copy(name, from string) {
	data, err := os.ReadFile(from)
	if err != nil {
		if a.err == nil {
			a.err = err
		}
		return
	}
	a.file(name, 0o755, data)
}

func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, [2]int{}, nil)
	if err := a.to.Flush(); a.err == nil {
		a.err = err
	}
	return a.err
}
