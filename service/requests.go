// SPDX-License-Identifier: GPL-2.0-only

package service

import (
	"context"
	"errors"
	"time"

	"github.com/mezoura/mezoura/service/account"
)

// do runs a task on the loop's goroutine and waits for it.
func (s *service) do(ctx context.Context, task func()) error {
	done := make(chan struct{})
	select {
	case s.tasks <- func() { task(); close(done) }:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fresh is a snapshot not older than freshness, or the last there is when the loop is too busy for that.
func (s *service) fresh() *account.Snapshot {
	ctx, cancel := context.WithTimeout(s.ctx, 2*time.Second)
	defer cancel()
	_ = s.do(ctx, func() {
		if time.Since(s.readAt) >= freshness {
			s.look()
		}
	})
	return s.current.Load()
}

func (s *service) snapshot(context.Context) (*account.Snapshot, error) {
	if snapshot := s.fresh(); snapshot != nil {
		return snapshot, nil
	}
	return nil, errors.New("nothing counted yet")
}

// reset lets totals begin at zero again. What was counted until now goes to the book first, so that a restart does not
// bring it back.
func (s *service) reset(ctx context.Context, match func(*account.Host) bool) (n int, err error) {
	if match == nil {
		match = func(*account.Host) bool { return true }
	}
	doErr := s.do(ctx, func() {
		if err = s.counter.rotate(); err != nil {
			return
		}
		s.look()
		n = s.counter.book.Reset(match)
		err = s.counter.state.write(s.counter.book)
		s.publish()
	})
	return n, errors.Join(doErr, err)
}
