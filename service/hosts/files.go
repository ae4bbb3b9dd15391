// SPDX-License-Identifier: GPL-2.0-only

package hosts

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// watcher tells which of a set of files may have changed. It watches the folders
// they are in, so that a file that is replaced by renaming, or appears later, is
// noticed; where the folder is missing, the nearest one above it. It belongs to one
// goroutine.
type watcher struct {
	notify *fsnotify.Watcher
	files  []string
	cares  map[string][]string // path to watch for -> files that may have changed then
	dirs   map[string]bool
}

func newWatcher() (*watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	return &watcher{notify: notify, dirs: make(map[string]bool)}, nil
}

// sync watches for these files, and returns those whose folders were not watched
// so far: they have to be read after it.
func (w *watcher) sync(files []string) (fresh []string) {
	w.files = files
	w.cares = make(map[string][]string)
	before := w.dirs
	w.dirs = make(map[string]bool)
	for _, file := range files {
		isFresh := w.want(file, file, before)
		if target, err := filepath.EvalSymlinks(file); err == nil && target != file {
			isFresh = w.want(file, target, before) || isFresh
		}
		if isFresh {
			fresh = append(fresh, file)
		}
	}
	for dir := range before {
		if !w.dirs[dir] {
			_ = w.notify.Remove(dir) // it may be gone with its folder
		}
	}
	return fresh
}

// want watches for one path of a file.
func (w *watcher) want(file, path string, before map[string]bool) (fresh bool) {
	// A folder may appear between the attempt to watch it and the watch on the one
	// above; whoever creates folders that fast will create another.
	for range 8 {
		missing := path
		dir := filepath.Dir(path)
		for w.notify.Add(dir) != nil && dir != filepath.Dir(dir) {
			missing, dir = dir, filepath.Dir(dir)
		}
		w.dirs[dir] = true
		w.cares[missing] = append(w.cares[missing], file)
		w.cares[dir] = append(w.cares[dir], file)
		fresh = fresh || !before[dir]
		if missing == path {
			return fresh
		}
		if _, err := os.Stat(missing); err != nil {
			return fresh
		}
	}
	return fresh
}

// event tells which files may have changed, and whether folders may have, so that
// sync has to be called again.
func (w *watcher) event(e fsnotify.Event) (files []string, resync bool) {
	files = w.cares[e.Name]
	if w.dirs[e.Name] && e.Has(fsnotify.Chmod) && !e.Has(fsnotify.Remove|fsnotify.Rename) {
		return nil, false // of the folder itself
	}
	return files, len(files) > 0 && e.Has(fsnotify.Create|fsnotify.Remove|fsnotify.Rename)
}

func (w *watcher) close() { w.notify.Close() }

// readRecords reads one file by a parser. A file that is not there is empty.
func readRecords(path string, parse func(io.Reader) ([]record, error)) ([]record, error) {
	// Not to be held up by a pipe somebody put there.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if os.IsNotExist(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read names: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: fs.ErrInvalid}
	}
	if err != nil {
		return nil, fmt.Errorf("read names: %w", err)
	}
	records, err := parse(f)
	if err != nil {
		return nil, fmt.Errorf("read names: %w", err)
	}
	return records, nil
}
