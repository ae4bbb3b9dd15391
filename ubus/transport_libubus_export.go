// SPDX-License-Identifier: GPL-2.0-only

//go:build libubus && cgo

package ubus

/*
#include "transport_libubus.h"
*/
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

// These are called by libubus, through C, on the thread that owns the context.

func goBytes(p unsafe.Pointer, n C.size_t) []byte {
	b := make([]byte, n)
	copy(b, unsafe.Slice((*byte)(p), n))
	return b
}

//export mzFound
func mzFound(result C.uintptr_t, path *C.char, id, typ C.uint32_t, signature unsafe.Pointer, n C.size_t) {
	found := cgo.Handle(result).Value().(*[]ObjectInfo)
	o := ObjectInfo{Path: C.GoString(path), ID: uint32(id), Type: uint32(typ)}
	if signature != nil {
		o.Signature = goBytes(signature, n)
	}
	*found = append(*found, o)
}

//export mzData
func mzData(handle C.uintptr_t, data unsafe.Pointer, n C.size_t) {
	call := cgo.Handle(handle).Value().(*nativeCall)
	if len(call.reply)+int(n) <= maxReply {
		call.reply = append(call.reply, unsafe.Slice((*byte)(data), n)...)
	}
}

//export mzComplete
func mzComplete(handle C.uintptr_t, status C.int) {
	call := cgo.Handle(handle).Value().(*nativeCall)
	call.status = int(status)
	call.forget()
	close(call.finished)
}

func (c *nativeCall) forget() {
	delete(c.link.calls, c)
	c.handle.Delete()
}

//export mzInvoked
func mzInvoked(handle C.uintptr_t, req *C.struct_ubus_request_data, object, peer C.uint32_t, seq C.uint16_t,
	method, user, group *C.char, data unsafe.Pointer, n C.size_t) {
	o := cgo.Handle(handle).Value().(*nativeObject)
	in := &incoming{link: o.link, object: uint32(object), peer: uint32(peer), seq: uint16(seq), method: C.GoString(method),
		args: goBytes(data, n), user: C.GoString(user), group: C.GoString(group)}
	if req != nil {
		in.native = req
		o.link.deferred[req] = struct{}{}
	}
	o.b.sink.invoked(in)
}

//export mzActive
func mzActive(handle C.uintptr_t, subscribed C.bool) {
	cgo.Handle(handle).Value().(*nativeObject).b.sink.active(bool(subscribed))
}

//export mzRemoved
func mzRemoved(handle C.uintptr_t, target C.uint32_t) {
	cgo.Handle(handle).Value().(*nativeObject).b.sink.removed(uint32(target))
}

//export mzMonitor
func mzMonitor(handle C.uintptr_t, seq C.uint32_t, data unsafe.Pointer, n C.size_t) {
	cgo.Handle(handle).Value().(*native).monitor(uint16(seq), goBytes(data, n))
}
