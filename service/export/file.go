// SPDX-License-Identifier: GPL-2.0-only

package export

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Textfile is the path of a file that Prometheus, or anybody, reads.
type Textfile struct {
	Path string
	// Optional: written only while its folder exists, as that of a collector
	// that may not be installed.
	Optional bool
}

// DefaultTextfiles is the original's file, and the one that
// prometheus-node-exporter-lua-textfile reads where it is installed.
func DefaultTextfiles() []Textfile {
	return []Textfile{{Path: "/tmp/prom_c"}, {Path: "/var/prometheus/mezoura.prom", Optional: true}}
}

// WriteFiles writes the current Snapshot to each file. It tries all of them,
// whatever becomes of one, and returns all errors.
func (m *Metrics) WriteFiles(files []Textfile) error {
	var errs []error
	for _, f := range files {
		if f.Optional {
			if dir, err := os.Stat(filepath.Dir(f.Path)); err != nil || !dir.IsDir() {
				continue
			}
		}
		errs = append(errs, m.WriteFile(f.Path))
	}
	return errors.Join(errs...)
}

// WriteFile replaces the file by one with the current Snapshot. Readers see the
// old file or the new one, each of them whole; when the disk is full the old
// one stays. Nothing is synchronised to disk: after a crash of the machine
// the next interval writes it anew.
func (m *Metrics) WriteFile(path string) (err error) {
	f, err := create(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, cause(err))
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
			err = fmt.Errorf("write %s: %w", path, cause(err))
		}
	}()
	err = m.Write(f, Text)
	if err == nil {
		err = f.Chmod(0o644) // whatever the umask says: it is there to be read
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

// create makes the new file next to the old one. /tmp belongs to everybody, and
// somebody may have put a link where the new file is to be: O_EXCL follows
// none and opens no file that is there. The name is always the same, so that
// what a killed daemon left behind does not add up, unless somebody blocks it.
func create(path string) (*os.File, error) {
	dir, base := filepath.Split(path)
	if base == "" {
		return nil, errors.New("no file name")
	}
	name := dir + "." + base + ".new"
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		name = ""
	}
	for range 3 {
		if name == "" {
			var unique [8]byte
			if _, err := io.ReadFull(rand.Reader, unique[:]); err != nil {
				return nil, err
			}
			name = dir + "." + base + "." + hex.EncodeToString(unique[:])
		}
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
		name = ""
	}
	return nil, errors.New("somebody creates files in our place")
}

// cause strips what names the path of the new file, or the path twice.
func cause(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}
