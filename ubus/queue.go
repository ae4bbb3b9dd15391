// SPDX-License-Identifier: GPL-2.0-only

package ubus

import "sync"

// queue runs functions one after the other, on a goroutine that exists while
// there are any. It takes what comes from a receiving goroutine, which must
// not wait.
type queue struct {
	handlers *sync.WaitGroup

	mu      sync.Mutex
	waiting []func()
	missed  int // since the last one taken
	running bool
	closed  bool
}

const maxWaiting = 256

// push adds f, which is told how many were refused just before it. It is
// refused, and false returned, when too many wait.
func (q *queue) push(f func(missed int)) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	if len(q.waiting) >= maxWaiting {
		q.missed++
		return false
	}
	missed := q.missed
	q.missed = 0
	q.waiting = append(q.waiting, func() { f(missed) })
	if !q.running {
		q.running = true
		q.handlers.Add(1)
		go q.run()
	}
	return true
}

func (q *queue) run() {
	defer q.handlers.Done()
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.waiting, q.running = nil, false
			q.mu.Unlock()
			return
		}
		f := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		f()
	}
}

// close drops what waits.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.waiting = true, nil
}
