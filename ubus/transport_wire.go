// SPDX-License-Identifier: GPL-2.0-only

package ubus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/mezoura/mezoura/ubus/internal/proto"
)

// wire speaks the socket protocol in Go. One goroutine reads, one writes; both
// end when the socket does. Descriptors that come with a message are never
// asked for, so the kernel closes them.
type wire struct {
	sock    net.Conn
	monitor func(seq uint16, body []byte)
	gone    chan struct{}
	once    sync.Once
	workers sync.WaitGroup

	mu      sync.Mutex
	seq     uint16
	pending map[uint16]*pending
	objects map[uint32]*binding

	out outbox
}

// pending is a request that the broker has not answered. Its fields are
// guarded by the wire's mu until finished is closed.
type pending struct {
	peer      uint32
	data      func(body []byte) // called by the reader for each Data
	bind      *binding          // of an AddObject
	status    int
	abandoned bool // the caller left; the sequence number is still in use
	finished  chan struct{}
}

const (
	maxReply   = 16 << 20 // of all Data of one call
	maxPending = 1 << 15  // abandoned requests are forgotten beyond
)

func dialWire(ctx context.Context, socket string, monitor func(uint16, []byte)) (transport, error) {
	var d net.Dialer
	sock, err := d.DialContext(ctx, "unix", findSocket(socket))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { sock.Close() })
	r := bufio.NewReaderSize(sock, 16<<10)
	hello, err := proto.Read(r)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil && (hello.Type != proto.Hello || hello.Peer <= 1) {
		err = errors.New("greeting is not ubus")
	}
	if err != nil {
		sock.Close()
		return nil, fmt.Errorf("greet broker: %w", err)
	}
	w := &wire{sock: sock, monitor: monitor, gone: make(chan struct{}),
		pending: make(map[uint16]*pending), objects: make(map[uint32]*binding)}
	w.out.ready = make(chan struct{}, 1)
	w.workers.Add(2)
	go w.read(r)
	go w.write()
	return w, nil
}

func (w *wire) done() <-chan struct{} { return w.gone }

func (w *wire) close() {
	w.drop()
	w.workers.Wait()
}

// drop ends the connection; every waiting call sees gone.
func (w *wire) drop() {
	w.once.Do(func() {
		close(w.gone)
		w.sock.Close()
	})
}

func (w *wire) write() {
	defer w.workers.Done()
	defer w.drop()
	for {
		select {
		case <-w.out.ready:
		case <-w.gone:
			return
		}
		batch := w.out.take()
		buffers := batch.frames // WriteTo consumes it
		if _, err := buffers.WriteTo(w.sock); err != nil {
			return
		}
		w.out.written(batch)
	}
}

// send builds a frame and puts it in the outbox.
func (w *wire) send(h proto.Header, build func(*proto.Writer)) error {
	select {
	case <-w.gone:
		return ErrDisconnected
	default:
	}
	f := w.out.writer()
	f.Start(h)
	build(f)
	return w.out.put(f)
}

// request sends a message and waits for its status.
func (w *wire) request(ctx context.Context, typ byte, peer uint32, p *pending, build func(*proto.Writer)) error {
	p.peer, p.finished = peer, make(chan struct{})
	seq, err := w.enter(p)
	if err != nil {
		return err
	}
	if err := w.send(proto.Header{Type: typ, Seq: seq, Peer: peer}, build); err != nil {
		w.leave(seq)
		return err
	}
	select {
	case <-p.finished:
		return toError(p.status)
	case <-w.gone:
		return ErrDisconnected
	case <-ctx.Done():
		w.abandon(p)
		return contextError(ctx)
	}
}

// enter gives a request its sequence number: the next one not in use.
func (w *wire) enter(p *pending) (uint16, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) >= maxPending { // objects that never answer
		for seq, old := range w.pending {
			if old.abandoned {
				delete(w.pending, seq)
			}
		}
		if len(w.pending) >= maxPending {
			return 0, ErrNoMemory
		}
	}
	for w.seq++; w.pending[w.seq] != nil; w.seq++ {
	}
	w.pending[w.seq] = p
	return w.seq, nil
}

func (w *wire) leave(seq uint16) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pending, seq)
}

// abandon keeps the sequence number from being used again before its answer
// came: that would be taken for another's.
func (w *wire) abandon(p *pending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.abandoned, p.data = true, nil
}

func (w *wire) lookup(ctx context.Context, pattern string) ([]ObjectInfo, error) {
	var found []ObjectInfo
	p := &pending{data: func(body []byte) {
		a := proto.Parse(body)
		if a.Has(proto.AttrObjID) && a.Has(proto.AttrObjPath) && a.Has(proto.AttrObjType) {
			found = append(found, ObjectInfo{Path: a.Text(proto.AttrObjPath), ID: a.Uint32(proto.AttrObjID),
				Type: a.Uint32(proto.AttrObjType), Signature: a[proto.AttrSignature]})
		}
	}}
	err := w.request(ctx, proto.Lookup, 0, p, func(f *proto.Writer) {
		if pattern != "" {
			f.Text(proto.AttrObjPath, pattern)
		}
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (w *wire) invoke(ctx context.Context, object uint32, method string, args []byte) ([]byte, error) {
	var reply []byte
	p := &pending{data: func(body []byte) {
		data := proto.Parse(body)[proto.AttrData]
		if reply == nil { // the usual, single one: the frame is ours
			reply = data
		} else if len(reply)+len(data) <= maxReply {
			reply = append(reply, data...)
		}
	}}
	err := w.request(ctx, proto.Invoke, object, p, func(f *proto.Writer) {
		f.Uint32(proto.AttrObjID, object)
		f.Text(proto.AttrMethod, method)
		f.Bytes(proto.AttrData, args)
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

func (w *wire) addObject(ctx context.Context, b *binding) error {
	p := &pending{bind: b}
	err := w.request(ctx, proto.AddObject, 0, p, func(f *proto.Writer) {
		if b.path != "" {
			f.Text(proto.AttrObjPath, b.path)
			f.Bytes(proto.AttrSignature, signature(b.methods))
		}
	})
	if err == nil && b.id == 0 {
		err = ErrNoData
	}
	return err
}

func (w *wire) removeObject(ctx context.Context, b *binding) error {
	err := w.request(ctx, proto.RemoveObject, 0, &pending{}, func(f *proto.Writer) { f.Uint32(proto.AttrObjID, b.id) })
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.objects, b.id)
	return err
}

func (w *wire) subscribe(ctx context.Context, b *binding, target uint32) error {
	return w.request(ctx, proto.Subscribe, 0, &pending{}, func(f *proto.Writer) {
		f.Uint32(proto.AttrObjID, b.id)
		f.Uint32(proto.AttrTarget, target)
	})
}

func (w *wire) notify(b *binding, kind string, payload []byte) error {
	// Nobody waits for an answer, so any number will do that is not in use.
	w.mu.Lock()
	for w.seq++; w.pending[w.seq] != nil; w.seq++ {
	}
	seq := w.seq
	w.mu.Unlock()
	return w.send(proto.Header{Type: proto.Notify, Seq: seq, Peer: b.id}, func(f *proto.Writer) {
		f.Uint32(proto.AttrObjID, b.id)
		f.Text(proto.AttrMethod, kind)
		f.Bytes(proto.AttrData, payload)
		f.Bool(proto.AttrNoReply, true)
	})
}

func (w *wire) reply(in *incoming, data []byte, status Status) error {
	if in.noReply {
		return nil
	}
	if data != nil {
		err := w.send(proto.Header{Type: proto.Data, Seq: in.seq, Peer: in.peer}, func(f *proto.Writer) {
			f.Uint32(proto.AttrObjID, in.object)
			f.Bytes(proto.AttrData, data)
		})
		if err != nil {
			status = statusOf(err)
		}
	}
	return w.send(proto.Header{Type: proto.Status, Seq: in.seq, Peer: in.peer}, func(f *proto.Writer) {
		f.Uint32(proto.AttrStatus, uint32(status))
		f.Uint32(proto.AttrObjID, in.object)
	})
}
