// SPDX-License-Identifier: GPL-2.0-only

// Package netifd asks OpenWrt's netifd over ubus what networks there are, and follows what it
// reports of them.
//
// A Reader is run by one goroutine; its other methods may be called by any. Sources it hands
// out are never changed afterwards.
package netifd

import (
	"context"
	"sync"
	"time"

	"github.com/mezoura/mezoura/service/networks"
	"github.com/mezoura/mezoura/ubus/blobmsg"
)

const (
	object = "network.interface"

	// settle lets netifd finish: one ifup sends several events.
	settle = 20 * time.Millisecond
	// Between reads at least this, so that a flapping interface does not occupy netifd.
	restMin = 100 * time.Millisecond
	// Calls and failing calls: netifd is back within seconds, or not installed.
	callTimeout        = 5 * time.Second
	retryMin, retryMax = 250 * time.Millisecond, 30 * time.Second
	// What was reported while ubus was away is lost; nothing tells that it was.
	refresh = 15 * time.Second
)

// Caller calls ubus methods; *ubus.Conn is one.
type Caller interface {
	Call(ctx context.Context, object, method string, args any) (blobmsg.Table, error)
}

// Reader keeps the Source of some networks up to date.
type Reader struct {
	bus     Caller
	hints   chan struct{}
	changed chan struct{}

	mu     sync.Mutex
	names  []string
	all    []Interface
	known  bool  // netifd has answered, ever
	err    error // of the last call
	source networks.Source
}

// New makes a Reader for these logical networks. It does nothing until Run.
func New(bus Caller, names []string) *Reader {
	r := &Reader{bus: bus, hints: make(chan struct{}, 1), changed: make(chan struct{}, 1)}
	r.SetNames(names)
	return r
}

// SetNames replaces the list of logical networks.
func (r *Reader) SetNames(names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names = append([]string(nil), names...)
	r.update()
}

// Hint says that something changed. It never blocks.
func (r *Reader) Hint() { token(r.hints) }

// Changed receives after the Source was replaced by one that differs. For one receiver.
func (r *Reader) Changed() <-chan struct{} { return r.changed }

// Source returns what netifd said last. While it has never answered, networks have no devices
// and Err says why.
func (r *Reader) Source() networks.Source {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source
}

// Interfaces returns all that netifd said last, watched or not. Read only.
func (r *Reader) Interfaces() []Interface {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all
}

// Err is nil if netifd answered the last call. What it said before stays in force.
func (r *Reader) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Run reads and follows until the context ends; it returns nil then.
func (r *Reader) Run(ctx context.Context) error {
	retry := retryMin
	for {
		wait := refresh
		if r.Read(ctx) != nil {
			wait, retry = retry, min(2*retry, retryMax)
		} else {
			retry = retryMin
		}
		if !pause(ctx, restMin) {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
			continue
		case <-r.hints:
			timer.Stop()
			retry = retryMin // a hint is a sign of life
		}
		if !pause(ctx, settle) {
			return nil
		}
		select {
		case <-r.hints:
		default:
		}
	}
}

// Read asks once, for a first Source before Run.
func (r *Reader) Read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	dump, err := r.bus.Call(ctx, object, "dump", nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	if err == nil {
		r.all, r.known = Interfaces(dump), true
	}
	r.update()
	return err
}

// update makes the Source anew and tells if it differs.
func (r *Reader) update() {
	s := Source(r.all, r.names)
	if !r.known {
		// Whoever runs without netifd wants to hear that, not of each network.
		s.Warnings = nil
		if r.err != nil && len(r.names) > 0 {
			s.Warnings = []string{"netifd does not answer on ubus, so the networks that are configured by name are not known yet."}
		}
	}
	if !s.Equal(r.source) {
		r.source = s
		token(r.changed)
	}
}

func token(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
