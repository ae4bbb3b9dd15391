// SPDX-License-Identifier: GPL-2.0-only

//go:build libubus && cgo

package ubus

/*
#include "transport_libubus.h"
*/
import "C"

import (
	"context"
	"errors"
	"runtime/cgo"
	"unsafe"

	"github.com/mezoura/mezoura/ubus/internal/proto"
)

// nativeObject is an object that libubus knows.
type nativeObject struct {
	link   *native
	c      *C.struct_mz_object
	b      *binding
	handle cgo.Handle
}

func (l *native) addObject(ctx context.Context, b *binding) error {
	_, err := do(ctx, l, func() (struct{}, error) {
		o := &nativeObject{link: l, b: b}
		o.handle = cgo.NewHandle(o)
		if o.c = newObject(o.handle, b); o.c == nil {
			o.handle.Delete()
			return struct{}{}, ErrNoMemory
		}
		b.native = o
		var id C.uint32_t
		err := toError(int(C.mz_object_add(l.ctx, o.c, C.bool(b.subscriber), &id)))
		if err != nil || id == 0 {
			o.free()
			return struct{}{}, errors.Join(err, ErrNoData)
		}
		b.id = uint32(id)
		l.objects[o] = struct{}{}
		return struct{}{}, nil
	})
	return err
}

// newObject describes a binding to libubus.
func newObject(handle cgo.Handle, b *binding) *C.struct_mz_object {
	var path *C.char
	if b.path != "" {
		path = C.CString(b.path)
		defer C.free(unsafe.Pointer(path))
	}
	c := C.mz_object_new(C.uintptr_t(handle), path, C.int(len(b.methods)))
	ok := c != nil
	for i := 0; ok && i < len(b.methods); i++ {
		m := &b.methods[i]
		ok = withString(m.Name, func(name *C.char) bool {
			return bool(C.mz_object_method(c, C.int(i), name, C.int(len(m.Args))))
		})
		for j := 0; ok && j < len(m.Args); j++ {
			ok = withString(m.Args[j].Name, func(name *C.char) bool {
				return bool(C.mz_object_arg(c, C.int(i), C.int(j), name, C.int(m.Args[j].wireType())))
			})
		}
	}
	if !ok && c != nil {
		C.mz_object_free(c)
		return nil
	}
	return c
}

func withString(s string, f func(*C.char) bool) bool {
	c := C.CString(s)
	defer C.free(unsafe.Pointer(c))
	return f(c)
}

func (o *nativeObject) free() {
	C.mz_object_free(o.c)
	o.handle.Delete()
}

func (l *native) removeObject(ctx context.Context, b *binding) error {
	_, err := do(ctx, l, func() (struct{}, error) {
		o := b.native.(*nativeObject)
		if _, there := l.objects[o]; !there {
			return struct{}{}, ErrNotFound
		}
		err := toError(int(C.mz_object_remove(l.ctx, o.c)))
		if err == nil { // else libubus keeps it until the end
			delete(l.objects, o)
			o.free()
		}
		return struct{}{}, err
	})
	return err
}

func (l *native) subscribe(ctx context.Context, b *binding, target uint32) error {
	_, err := do(ctx, l, func() (struct{}, error) {
		return struct{}{}, toError(int(C.mz_subscribe(l.ctx, b.native.(*nativeObject).c, C.uint32_t(target))))
	})
	return err
}

func (l *native) notify(b *binding, kind string, payload []byte) error {
	if messageLen(kind, payload)+8 > proto.MaxMessage {
		return ErrTooLarge
	}
	return l.post(func() {
		o := b.native.(*nativeObject)
		if _, there := l.objects[o]; there {
			withString(kind, func(name *C.char) bool {
				return C.mz_notify(l.ctx, o.c, name, bytes(payload), C.size_t(len(payload))) == 0
			})
		}
	})
}
