// SPDX-License-Identifier: GPL-2.0-only

//go:build libubus && cgo

package ubus

/*
#cgo LDFLAGS: -lubus -lubox
#include "transport_libubus.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/cgo"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/ubus/internal/proto"
)

var dialLibubus dialer = dialNative

// libubusLock is held by whoever is inside libubus: it builds every message in
// one static buffer, of whatever connection. It is not held while waiting for
// something to happen.
var libubusLock sync.Mutex

// native goes through libubus. One goroutine, locked to its OS thread, owns the
// context: it waits for the socket, and for tasks that the others post. The
// fields below tasks are its alone.
type native struct {
	fd, wake C.int
	monitor  func(seq uint16, body []byte)
	gone     chan struct{}
	ended    chan struct{}

	mu      sync.Mutex
	tasks   []func()
	closing bool
	over    bool // the goroutine takes no more tasks

	ctx      *C.struct_ubus_context
	self     cgo.Handle
	objects  map[*nativeObject]struct{}
	calls    map[*nativeCall]struct{}
	deferred map[*C.struct_ubus_request_data]struct{}
}

type nativeCall struct {
	link     *native
	c        *C.struct_mz_request
	handle   cgo.Handle
	reply    []byte
	status   int
	finished chan struct{}
}

const maxTasks = 4096

func dialNative(ctx context.Context, socket string, monitor func(uint16, []byte)) (transport, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make eventfd: %w", err)
	}
	l := &native{wake: C.int(wake), monitor: monitor, gone: make(chan struct{}), ended: make(chan struct{}),
		objects: make(map[*nativeObject]struct{}), calls: make(map[*nativeCall]struct{}),
		deferred: make(map[*C.struct_ubus_request_data]struct{})}
	connected := make(chan error, 1)
	go l.run(findSocket(socket), connected)
	select {
	case err := <-connected:
		if err != nil {
			return nil, err
		}
		return l, nil
	case <-ctx.Done():
		// libubus waits for the greeting without end; when it comes, or the
		// socket closes, the goroutine does too.
		l.mu.Lock()
		defer l.mu.Unlock()
		l.closing = true
		if !l.over {
			l.signal()
		}
		return nil, contextError(ctx)
	}
}

func (l *native) run(socket string, connected chan<- error) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	defer close(l.ended)
	defer unix.Close(int(l.wake))
	l.self = cgo.NewHandle(l)
	defer l.self.Delete()
	path := C.CString(socket)
	libubusLock.Lock()
	l.ctx = C.mz_connect(path, C.uintptr_t(l.self))
	libubusLock.Unlock()
	C.free(unsafe.Pointer(path))
	if l.ctx == nil {
		l.mu.Lock()
		l.over = true
		l.mu.Unlock()
		close(l.gone)
		connected <- fmt.Errorf("connect to %s by libubus: %w", socket, ErrConnectionFailed)
		return
	}
	l.fd = C.mz_fd(l.ctx)
	connected <- nil
	for l.step() {
	}
	l.end()
}

// step waits, reads what came and does what was asked for; false at the end.
func (l *native) step() bool {
	readable := bool(C.mz_wait(l.fd, l.wake))
	l.mu.Lock()
	tasks, closing := l.tasks, l.closing
	l.tasks = nil
	l.mu.Unlock()
	libubusLock.Lock()
	defer libubusLock.Unlock()
	if closing {
		return false
	}
	if readable {
		C.mz_handle(l.ctx)
	}
	for _, task := range tasks {
		if C.mz_eof(l.ctx) {
			return false
		}
		task()
	}
	return !bool(C.mz_eof(l.ctx))
}

// end fails what is under way and gives everything back.
func (l *native) end() {
	l.mu.Lock()
	l.over, l.tasks = true, nil
	l.mu.Unlock()
	close(l.gone)
	libubusLock.Lock()
	defer libubusLock.Unlock()
	C.mz_free(l.ctx) // completes the calls, which frees them
	for o := range l.objects {
		o.free()
	}
	for req := range l.deferred {
		C.free(unsafe.Pointer(req))
	}
	for call := range l.calls {
		call.handle.Delete()
	}
}

func (l *native) done() <-chan struct{} { return l.gone }

func (l *native) close() {
	l.mu.Lock()
	l.closing = true
	if !l.over {
		C.mz_shutdown(l.fd)
		l.signal()
	}
	l.mu.Unlock()
	<-l.ended
}

// signal wakes the owner; l.mu is held and l.over false, so the eventfd is open.
func (l *native) signal() {
	one := [8]byte{7: 1, 0: 1} // not zero in either byte order
	_, _ = unix.Write(int(l.wake), one[:])
}

// post has the owner do something.
func (l *native) post(task func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over || l.closing:
		return ErrDisconnected
	case len(l.tasks) >= maxTasks:
		return ErrNoMemory
	}
	l.tasks = append(l.tasks, task)
	l.signal()
	return nil
}

// do has the owner do something and waits for what it returns.
func do[T any](ctx context.Context, l *native, task func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	results := make(chan result, 1)
	if err := l.post(func() {
		value, err := task()
		if bool(C.mz_eof(l.ctx)) {
			err = ErrDisconnected
		}
		results <- result{value, err}
	}); err != nil {
		return none, err
	}
	select {
	case r := <-results:
		return r.value, r.err
	case <-l.gone:
		return none, ErrDisconnected
	case <-ctx.Done():
		return none, contextError(ctx)
	}
}

func (l *native) lookup(ctx context.Context, pattern string) ([]ObjectInfo, error) {
	return do(ctx, l, func() ([]ObjectInfo, error) {
		var found []ObjectInfo
		handle := cgo.NewHandle(&found)
		defer handle.Delete()
		var path *C.char
		if pattern != "" {
			path = C.CString(pattern)
			defer C.free(unsafe.Pointer(path))
		}
		err := toError(int(C.mz_lookup(l.ctx, path, C.uintptr_t(handle))))
		return found, err
	})
}

// messageLen is the length of a call or notification; libubus does not say
// that one was too long.
func messageLen(method string, args []byte) int {
	return 4 + 8 + 4 + (len(method)+4)&^3 + 4 + (len(args)+3)&^3
}

func (l *native) invoke(ctx context.Context, object uint32, method string, args []byte) ([]byte, error) {
	if messageLen(method, args) > proto.MaxMessage {
		return nil, ErrTooLarge
	}
	call := &nativeCall{link: l, finished: make(chan struct{})}
	_, err := do(ctx, l, func() (struct{}, error) {
		if ctx.Err() != nil {
			return struct{}{}, contextError(ctx)
		}
		name := C.CString(method)
		defer C.free(unsafe.Pointer(name))
		call.handle = cgo.NewHandle(call)
		var status C.int
		call.c = C.mz_invoke(l.ctx, C.uint32_t(object), name, bytes(args), C.size_t(len(args)), C.uintptr_t(call.handle), &status)
		if call.c == nil {
			call.handle.Delete()
			return struct{}{}, toError(int(status))
		}
		l.calls[call] = struct{}{}
		return struct{}{}, nil
	})
	if err == nil {
		select {
		case <-call.finished:
			err := toError(call.status)
			if errors.Is(err, ErrTimeout) && l.lost() { // what libubus calls a dropped link
				err = ErrDisconnected
			}
			return call.reply, err
		case <-l.gone:
			return nil, ErrDisconnected
		case <-ctx.Done():
			err = contextError(ctx)
		}
	}
	_ = l.post(func() { // nobody waits for it any more; gone with the link otherwise
		if _, pending := l.calls[call]; pending {
			C.mz_abort(l.ctx, call.c)
			call.forget()
		}
	})
	return nil, err
}

// lost tells whether the link is gone, of which the owner may be about to learn.
func (l *native) lost() bool {
	_, err := do(context.Background(), l, func() (struct{}, error) { return struct{}{}, nil })
	return err != nil
}

func (l *native) reply(in *incoming, data []byte, status Status) error {
	req, _ := in.native.(*C.struct_ubus_request_data)
	if req == nil {
		return nil // an event or notification: libubus has answered
	}
	sent := make(chan struct{})
	if err := l.post(func() {
		defer close(sent)
		if _, there := l.deferred[req]; there {
			delete(l.deferred, req)
			C.mz_reply(l.ctx, req, bytes(data), C.size_t(len(data)), C.bool(data != nil), C.int(status))
			C.free(unsafe.Pointer(req))
		}
	}); err != nil {
		return err
	}
	if len(data) == 0 {
		return nil
	}
	select { // data is the caller's again when we return
	case <-sent:
	case <-l.gone:
		<-l.ended
	}
	return nil
}

// bytes passes b to C for the length of a call.
func bytes(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }
