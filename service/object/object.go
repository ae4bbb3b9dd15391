// SPDX-License-Identifier: GPL-2.0-only

// Package object is the ubus object `mezoura`: Snapshots as blobmsg tables.
//
// Every reply is made of one Snapshot, straight into the message to be sent.
// An Object keeps Snapshots of listings whose pages are still being read, a
// few of them, for half a minute each. Its methods are safe for
// concurrent use; it lives as long as the daemon and has nothing to close.
package object

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/blobmsg"
)

// Path is where the object is found.
const Path = "mezoura"

// Daemon is what the object needs of the daemon. Its functions are called from
// several goroutines.
type Daemon struct {
	// Snapshot returns the counters as they are now: it may read them first.
	Snapshot func(context.Context) (*account.Snapshot, error)
	// Reset makes the totals of the hosts that match begin at zero again and
	// returns how many did; a nil match takes all.
	Reset func(ctx context.Context, match func(*account.Host) bool) (int, error)
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Object answers calls.
type Object struct {
	daemon   Daemon
	listings listings
}

// New returns the object for a daemon.
func New(d Daemon) *Object {
	if d.Now == nil {
		d.Now = time.Now
	}
	return &Object{daemon: d}
}

// Describe returns what to publish.
func (o *Object) Describe() ubus.Object {
	page := []ubus.Arg{
		{Name: "host", Type: blobmsg.String},
		{Name: "network", Type: blobmsg.String},
		{Name: "offset", Type: blobmsg.AnyInt},
		{Name: "limit", Type: blobmsg.AnyInt},
		{Name: "listing", Type: blobmsg.AnyInt},
	}
	return ubus.Object{Path: Path, Methods: []ubus.Method{
		{Name: "stats", Args: page, Handler: o.stats},
		{Name: "hosts", Args: page, Handler: o.hosts},
		{Name: "status", Handler: o.status},
		{Name: "reset", Args: []ubus.Arg{{Name: "host", Type: blobmsg.String}}, Handler: o.reset},
	}}
}

func (o *Object) stats(ctx context.Context, r *ubus.Request) (any, error) {
	p, err := o.page(ctx, r, sizeOfStats)
	if err != nil {
		return nil, err
	}
	return statsReply{p}, nil
}

func (o *Object) hosts(ctx context.Context, r *ubus.Request) (any, error) {
	p, err := o.page(ctx, r, sizeOfIdentity)
	if err != nil {
		return nil, err
	}
	return hostsReply{p}, nil
}

func (o *Object) status(ctx context.Context, _ *ubus.Request) (any, error) {
	s, err := o.daemon.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("take snapshot: %w", err)
	}
	return statusReply{s}, nil
}

func (o *Object) reset(ctx context.Context, r *ubus.Request) (any, error) {
	var match func(*account.Host) bool
	if host := r.Args.Get("host"); host.Exists() {
		f := filterOf(r.Args.Text("host"), "")
		if f.host == "" {
			// An empty name matches nobody, and must not match all.
			return nil, ubus.ErrInvalidArgument
		}
		match = f.matches
	}
	n, err := o.daemon.Reset(ctx, match)
	if err != nil {
		return nil, fmt.Errorf("reset: %w", err)
	}
	if n == 0 && match != nil {
		return nil, ubus.ErrNotFound
	}
	return blobmsg.Fields{{Name: "reset", Value: int32(min(n, math.MaxInt32))}}, nil
}
