// SPDX-License-Identifier: GPL-2.0-only

package hosts

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/mezoura/mezoura/service/account"
)

const (
	// A file that is being written in place is read when it is quiet for this long,
	quiet = 50 * time.Millisecond
	// or when it was not quiet for that long.
	patience = 250 * time.Millisecond
	// After reading, a rest of this many times what it took: a tenth of one CPU at most,
	restFactor = 9
	restMax    = 2 * time.Second
	// and a pause after events: the kernel meanwhile joins those of one file.
	eventPause = 20 * time.Millisecond
	// Neighbours come and go all the time.
	neighbourPause = 100 * time.Millisecond
	// odhcpd is not asked more often than this for the sake of new neighbours,
	askPause = 10 * time.Second
	// nor at all longer than this.
	askPatience = 5 * time.Second
)

// reply is what odhcpd said over ubus.
type reply struct {
	records []record
	err     error
}

// work is what there is to do, and when. Zero times are never.
type work struct {
	files  map[string]bool // to read
	resync bool            // folders may have changed
	since  time.Time       // of the first event not dealt with
	due    time.Time       // for the files
	look   time.Time       // for the neighbours
	ask    time.Time       // for odhcpd
	asking bool
	asked  time.Time
	paused time.Time // no events before
	rested time.Time // no reading before
}

// Run follows all changes until the context ends or the Resolver is closed, and
// returns nil then.
func (r *Resolver) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel() // ends by itself only when the Resolver is closed
		r.follower.run(ctx)
	}()
	defer func() { cancel(); r.Close(); <-done }()
	defer context.AfterFunc(ctx, func() { r.follower.close() })()

	w := work{files: make(map[string]bool)}
	if r.leases != nil {
		w.ask = time.Now()
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := time.Now()
		r.perform(ctx, &w, now)
		var events chan fsnotify.Event
		var errs chan error
		if r.watcher != nil && !now.Before(w.paused) {
			events, errs = r.watcher.notify.Events, r.watcher.notify.Errors
		}
		timer.Reset(w.next(now))
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case e, ok := <-events:
			if !ok {
				return nil
			}
			r.event(&w, e)
		case _, ok := <-errs:
			if !ok {
				return nil
			}
			w.all(r.sources.paths()) // events were lost
		case <-r.follower.changed:
			if w.look.IsZero() {
				w.look = time.Now().Add(neighbourPause)
			}
		case <-r.configure:
			r.mu.Lock()
			r.active = r.config
			r.mu.Unlock()
			r.sources.configure(r.active)
			w.all(r.sources.paths())
			w.due, w.rested = time.Now(), time.Time{}
		case <-r.refresh:
			w.ask = time.Now()
		case reply := <-r.replies:
			w.asking = false
			r.answered(reply)
		}
	}
}

// event takes this event over and those that wait behind it.
func (r *Resolver) event(w *work, e fsnotify.Event) {
	for {
		files, resync := r.watcher.event(e)
		if len(files) > 0 {
			w.touch(files)
		}
		w.resync = w.resync || resync
		var ok bool
		select {
		case e, ok = <-r.watcher.notify.Events:
		default:
		}
		if !ok {
			w.paused = time.Now().Add(eventPause)
			return
		}
	}
}

// touch notes that files may have changed.
func (w *work) touch(files []string) {
	now := time.Now()
	if len(w.files) == 0 {
		w.since = now
	}
	for _, f := range files {
		w.files[f] = true
	}
	w.due = now.Add(quiet)
	if last := w.since.Add(patience); w.due.After(last) {
		w.due = last
	}
}

// all notes that everything may have changed.
func (w *work) all(files []string) {
	w.touch(files)
	w.resync = true
}

// next is how long there is nothing to do.
func (w *work) next(now time.Time) time.Duration {
	wait := time.Hour
	for _, t := range []time.Time{w.dueAt(), w.look, w.askAt()} {
		if !t.IsZero() {
			wait = min(wait, t.Sub(now))
		}
	}
	if w.paused.After(now) {
		wait = min(wait, w.paused.Sub(now))
	}
	return max(wait, 0)
}

// dueAt is when to read files: when they are quiet and we have rested.
func (w *work) dueAt() time.Time {
	if w.due.IsZero() || w.due.After(w.rested) {
		return w.due
	}
	return w.rested
}

func (w *work) askAt() time.Time {
	if w.asking {
		return time.Time{}
	}
	return w.ask
}

func ripe(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

// perform does what is due.
func (r *Resolver) perform(ctx context.Context, w *work, now time.Time) {
	if ripe(w.dueAt(), now) {
		r.read(w)
		r.publish()
		if r.leases != nil && w.ask.IsZero() && len(r.sources.dhcp.states) > 0 {
			w.ask = now // what wrote its state may have told ubus more
		}
		w.rested = time.Now().Add(min(restFactor*time.Since(now), restMax))
	}
	if ripe(w.look, now) {
		w.look = time.Time{}
		if r.look() && r.leases != nil && w.ask.IsZero() {
			w.ask = now
			if next := w.asked.Add(askPause); next.After(now) {
				w.ask = next
			}
		}
	}
	if ripe(w.askAt(), now) {
		w.ask, w.asked, w.asking = time.Time{}, now, true
		go r.ask(ctx)
	}
}

// read reads the files that changed, or all. Files are watched first and read
// then, so that no change falls between.
func (r *Resolver) read(w *work) {
	r.loads.Add(1)
	s := r.sources
	due := make(map[string]bool)
	known := make(map[string]bool)
	if w != nil {
		due = w.files
		for path := range s.files {
			known[path] = true
		}
	}
	watch := func() {
		if r.watcher == nil {
			return
		}
		for _, path := range r.watcher.sync(s.paths()) {
			due[path] = true
		}
	}
	if w == nil || w.resync || due[s.dhcpPath()] {
		watch()
	}
	if w == nil || due[s.dhcpPath()] {
		s.readDHCP()
		watch()
	}
	for path := range s.files {
		if due[path] || !known[path] {
			s.read(path)
		}
	}
	if w != nil {
		w.files, w.resync, w.due = make(map[string]bool), false, time.Time{}
	}
}

// publish makes what the sources say the view of all readers.
func (r *Resolver) publish() {
	x := newIndex(r.active.Names, r.active.Aliases, r.sources.records(), r.now().Unix())
	r.mu.Lock()
	r.problems = r.sources.sentences()
	r.mu.Unlock()
	if old := r.index.Swap(x); old != nil && !old.same(x) {
		hint(r.changed)
	}
}

// look takes the neighbour table over, and tells whether there are hosts that were
// not there before.
func (r *Resolver) look() (newHost bool) {
	before, now := r.neighbours.Load(), r.follower.view()
	r.neighbours.Store(now)
	different := len(before.hosts) != len(now.hosts)
	for mac, list := range now.hosts {
		if before.hosts[mac] == nil {
			newHost = true
		}
		different = different || newHost || alike(before.hosts[mac]) != alike(list)
	}
	if different {
		hint(r.changed)
	}
	return newHost
}

// alike sums up what of a host's neighbour entries matters for answers, in
// whatever order they are.
func alike(list []neighbour) (sum struct{ hash, there, failed uint64 }) {
	for _, n := range list {
		b := n.addr.As16()
		h := uint64(14695981039346656037)
		for _, c := range b {
			h = (h ^ uint64(c)) * 1099511628211
		}
		sum.hash += h
		if n.state&sure != 0 {
			sum.there = 1
		} else if n.state&known == 0 {
			sum.failed++
		}
	}
	return sum
}

// ask asks odhcpd and leaves the reply for Run.
func (r *Resolver) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	var all reply
	for _, method := range []string{"ipv4leases", "ipv6leases"} {
		data, err := r.leases(ctx, method)
		if err != nil {
			// No odhcpd, or one without that method: the state file is left.
			continue
		}
		records, err := parseLeases(data, r.now().Unix())
		if err != nil {
			all.err = err
		}
		all.records = append(all.records, records...)
	}
	select {
	case r.replies <- all:
	case <-ctx.Done():
	}
}

// answered takes a reply of odhcpd over.
func (r *Resolver) answered(a reply) {
	delete(r.sources.problems, "odhcpd")
	if a.err != nil {
		r.sources.problems["odhcpd"] = a.err.Error()
	}
	r.sources.asked = a.records
	r.publish()
}

var _ account.Namer = (*Resolver)(nil)
