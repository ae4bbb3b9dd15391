// SPDX-License-Identifier: GPL-2.0-only

package broker

import (
	"bufio"
	"net"
	"sync"
	"time"

	"github.com/mezoura/mezoura/ubus/internal/proto"
)

const (
	// maxQueue is how many bytes wait for a client that does not read. What
	// comes on top is dropped, as in ubusd: nobody else waits for that client.
	maxQueue = proto.MaxMessage
	// linger is how long a client that closed its sending side may take to
	// read what is queued for it.
	linger = 5 * time.Second
)

// client is one connection. Its objects and the like belong to the bus.
type client struct {
	broker      *Broker
	sock        *net.UnixConn
	who         Cred
	user, group string
	id          uint32
	objects     []*object // newest first, of the bus

	mu     sync.Mutex // of the queue; taken while holding the broker's, never the reverse
	queue  net.Buffers
	queued int // bytes, those being written included
	ended  bool
	wake   chan struct{} // capacity 1: there is something to write, or nothing more
	room   chan struct{} // capacity 1: the queue became empty
	gone   chan struct{}
	once   sync.Once
}

func newClient(b *Broker, sock *net.UnixConn, who Cred) *client {
	return &client{broker: b, sock: sock, who: who,
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1), gone: make(chan struct{})}
}

// serve reads frames until the client leaves or sends what is none, lets it
// read what is queued, and takes it off the bus.
func (c *client) serve() {
	defer c.broker.clients.Done()
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.write()
	}()
	r := bufio.NewReaderSize(c.sock, 4<<10)
	for {
		f, err := proto.Read(r)
		if err != nil {
			break
		}
		c.broker.handle(c, f)
	}
	c.finish()
	<-written
	c.drop()
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	c.broker.bus.leave(c)
}

// drop ends the connection at once.
func (c *client) drop() {
	c.once.Do(func() {
		close(c.gone)
		c.sock.Close()
	})
}

// finish lets the writer return when the queue is empty, or after a while.
func (c *client) finish() {
	_ = c.sock.SetWriteDeadline(time.Now().Add(linger)) // closed already: the writer sees that too
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	signal(c.wake)
}

// send queues a frame; all clients may share its bytes.
func (c *client) send(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.queued > 0 && c.queued+len(frame) > maxQueue {
		return
	}
	c.queue = append(c.queue, frame)
	c.queued += len(frame)
	signal(c.wake)
}

// busy tells whether anything waits to be written.
func (c *client) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queued > 0
}

// wait waits until nothing is queued, false if the client left.
func (c *client) wait() bool {
	for c.busy() {
		select {
		case <-c.room:
		case <-c.gone:
			return false
		}
	}
	return true
}

func (c *client) write() {
	for {
		c.mu.Lock()
		batch, ended := c.queue, c.ended
		c.queue = nil
		c.mu.Unlock()
		if len(batch) == 0 {
			if ended {
				return
			}
			select {
			case <-c.wake:
			case <-c.gone:
				return
			}
			continue
		}
		for _, frame := range batch { // one by one, so that the count is what really waits
			if _, err := c.sock.Write(frame); err != nil {
				c.drop()
				return
			}
			c.mu.Lock()
			c.queued -= len(frame)
			empty := c.queued == 0
			c.mu.Unlock()
			if empty {
				signal(c.room)
			}
		}
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
