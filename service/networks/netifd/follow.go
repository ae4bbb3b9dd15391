// SPDX-License-Identifier: GPL-2.0-only

package netifd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mezoura/mezoura/ubus"
)

// Reports are what makes a Reader ask anew, until Close.
type Reports struct{ closers []io.Closer }

// Follow lets a Reader hear what netifd tells over conn: events when an interface goes up or
// down, notifications when its addresses or prefixes change, and that netifd itself came
// back. It outlives restarts of ubusd and netifd.
//
// Where the bus permits a part only, the error says what is missing, and the rest is
// followed: Reports are never nil.
func Follow(ctx context.Context, conn *ubus.Conn, r *Reader) (*Reports, error) {
	var f Reports
	var failed []error
	keep := func(what string, c io.Closer, err error) {
		if err != nil {
			failed = append(failed, fmt.Errorf("follow %s: %w", what, err))
			return
		}
		f.closers = append(f.closers, c)
	}
	l, err := conn.Listen(ctx, object, func(ubus.Event) { r.Hint() })
	keep("events of netifd", l, err)
	s, err := conn.Subscribe(ctx, object, func(ubus.Notification) { r.Hint() })
	keep("notifications of netifd", s, err)
	w, err := conn.Watch(ctx, object, func(ubus.ObjectChange) { r.Hint() })
	keep("restarts of netifd", w, err)
	return &f, errors.Join(failed...)
}

// Close ends the following. It may be called again.
func (f *Reports) Close() error {
	var err error
	for _, c := range f.closers {
		err = errors.Join(err, c.Close())
	}
	f.closers = nil
	return err
}
