// SPDX-License-Identifier: GPL-2.0-only

package ubus

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/mezoura/mezoura/ubus/blobmsg"
)

// ObjectChange says that an object appeared or went.
type ObjectChange struct {
	Path  string
	ID    uint32
	Added bool
}

// Watch tells of objects until it is closed.
type Watch struct {
	entry   entry
	pattern string
	fn      func(ObjectChange)

	// Of the queue alone.
	since map[uint32]bool // ids that came (true) or went since a list was asked for, nil when it is there
	known map[string]uint32
}

// Watch calls fn for every object that pattern matches (see Lookup): for those
// that are there now, then for each that appears or goes. After a reconnect it
// tells the difference. Objects of this Conn are included.
func (c *Conn) Watch(ctx context.Context, pattern string, fn func(ObjectChange)) (*Watch, error) {
	w := &Watch{pattern: pattern, fn: fn, known: make(map[string]uint32)}
	w.entry = entry{op: "watch", what: pattern,
		bind:   func() *binding { return &binding{sink: w} },
		finish: w.list}
	if err := c.register(ctx, &w.entry); err != nil {
		return nil, err
	}
	return w, nil
}

// Close ends the watch.
func (w *Watch) Close() error { return w.entry.close(w.entry.conn.ctx) }

// list asks for events first and for the objects then, so that no change falls
// between; an object that went while the list was made is left out of it.
func (w *Watch) list(ctx context.Context, link transport, b *binding) error {
	w.entry.queue.push(func(int) { w.since = make(map[uint32]bool) })
	if err := listen(ctx, link, b, "ubus.object.*"); err != nil {
		return err
	}
	found, err := link.lookup(ctx, w.pattern)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	w.entry.queue.push(func(int) { w.listed(found) })
	return nil
}

func (w *Watch) listed(found []ObjectInfo) {
	now := make(map[string]uint32, len(found))
	for _, o := range found {
		if came, told := w.since[o.ID]; !told || came {
			now[o.Path] = o.ID
		}
	}
	for path, id := range w.known {
		if w.since[id] {
			now[path] = id // newer than the list
		}
	}
	w.since = nil
	for _, path := range slices.Sorted(maps.Keys(w.known)) {
		if now[path] != w.known[path] {
			w.tell(path, w.known[path], false)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(now)) {
		w.tell(path, now[path], true)
	}
}

// tell reports a change unless it is known already. A path has one object at a
// time, an id is never another object's.
func (w *Watch) tell(path string, id uint32, added bool) {
	switch was, ok := w.known[path]; {
	case added && ok && was == id, !added && (!ok || was != id):
		return
	case added && ok:
		w.fn(ObjectChange{Path: path, ID: was})
	}
	if added {
		w.known[path] = id
	} else {
		delete(w.known, path)
	}
	w.fn(ObjectChange{Path: path, ID: id, Added: added})
}

func (w *Watch) active(bool)    {}
func (w *Watch) removed(uint32) {}

func (w *Watch) invoked(in *incoming) {
	data, err := blobmsg.Parse(in.args)
	if err != nil || !match(w.pattern, data.Text("path")) {
		return
	}
	e := ObjectChange{Path: data.Text("path"), ID: uint32(data.Int("id")), Added: in.method == "ubus.object.add"}
	w.entry.queue.push(func(missed int) { w.changed(e, missed) })
}

func (w *Watch) changed(e ObjectChange, missed int) {
	if missed > 0 {
		w.again()
	}
	if w.since != nil {
		w.since[e.ID] = e.Added
	}
	w.tell(e.Path, e.ID, e.Added)
}

// again takes the list anew: the handler was too slow for what happened, and
// events were lost.
func (w *Watch) again() {
	link := w.entry.conn.linkNow()
	if link == nil {
		return // the next link brings a list
	}
	ctx, cancel := w.entry.conn.deadline(w.entry.conn.ctx)
	defer cancel()
	w.since = make(map[uint32]bool)
	if found, err := link.lookup(ctx, w.pattern); err == nil || errors.Is(err, ErrNotFound) {
		w.entry.queue.push(func(int) { w.listed(found) })
	}
}

// match is the pattern rule of ubus: "*" counts at the end only.
func match(pattern, path string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok || pattern == "" {
		return strings.HasPrefix(path, prefix)
	}
	return pattern == path
}
