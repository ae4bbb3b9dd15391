// SPDX-License-Identifier: GPL-2.0-only

package ubus

import (
	"net"
	"sync"

	"github.com/mezoura/mezoura/ubus/internal/proto"
)

// outbox holds the frames that are to be written and reuses their memory. It
// lets a call with a context leave while the broker does not read.
type outbox struct {
	ready chan struct{} // capacity 1: there is something to take

	mu   sync.Mutex
	next batch
	size int
	free []*proto.Writer
}

type batch struct {
	frames  net.Buffers
	writers []*proto.Writer
	size    int
}

const (
	maxOutbox = 4 << 20 // bytes
	maxFree   = 2       // writers kept: their memory is that of the largest message
)

func (o *outbox) writer() *proto.Writer {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := len(o.free); n > 0 {
		w := o.free[n-1]
		o.free = o.free[:n-1]
		return w
	}
	return new(proto.Writer)
}

func (o *outbox) put(w *proto.Writer) error {
	frame, ok := w.Finish()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !ok {
		return ErrTooLarge
	}
	if o.size+len(frame) > maxOutbox {
		return ErrNoMemory
	}
	o.size += len(frame)
	o.next.size += len(frame)
	o.next.frames = append(o.next.frames, frame)
	o.next.writers = append(o.next.writers, w)
	select {
	case o.ready <- struct{}{}:
	default:
	}
	return nil
}

func (o *outbox) take() batch {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.next
	o.next = batch{}
	return b
}

func (o *outbox) written(b batch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.size -= b.size
	for _, w := range b.writers {
		if len(o.free) < maxFree {
			o.free = append(o.free, w)
		}
	}
}
