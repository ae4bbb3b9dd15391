// SPDX-License-Identifier: GPL-2.0-only

package blobmsg

import (
	"cmp"
	"encoding"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
)

// Marshaler is implemented by types that write themselves, into the table
// that is being built: attribute by attribute, without Open and Close around.
// It is how to write large messages without reflection.
type Marshaler interface {
	MarshalBlobmsg(b *Builder)
}

// Fields is a table as a Go literal, in order.
type Fields []struct {
	Name  string
	Value any
}

// MarshalBlobmsg writes the fields.
func (f Fields) MarshalBlobmsg(b *Builder) {
	for _, field := range f {
		b.Value(field.Name, field.Value)
	}
}

// Marshal encodes a struct, a map with string keys, Fields, a Table or a
// Marshaler; nil is the empty table. Struct fields are named by their
// `blobmsg:"name,omitempty"` tag, else by their json tag, else as in Go; "-"
// leaves one out. Maps are written sorted by key.
func Marshal(v any) (Table, error) {
	var b Builder
	b.Fields(v)
	return b.Table()
}

// Fields writes what Marshal would as attributes of the table being built.
func (b *Builder) Fields(v any) {
	switch v := v.(type) {
	case nil:
		return
	case Table:
		b.Append(v)
		return
	case Marshaler:
		if !isNilPointer(v) {
			v.MarshalBlobmsg(b)
		}
		return
	}
	e := encoder{b: b}
	rv := reflect.ValueOf(v)
	for rv.Kind() == reflect.Pointer {
		if rv.IsNil() {
			return
		}
		rv = rv.Elem()
	}
	switch {
	case rv.Kind() == reflect.Struct:
		e.structFields(rv, e.types.of(rv.Type()))
	case rv.Kind() == reflect.Map:
		e.mapFields(rv, e.types.of(rv.Type()))
	default:
		b.fail(fmt.Errorf("encode %T: not a table", v))
	}
}

// Value writes a Go value under a name. Names must not be empty in a table.
func (b *Builder) Value(name string, v any) {
	switch v := v.(type) { // the usual ones without reflection
	case string:
		b.String(name, v)
	case bool:
		b.Bool(name, v)
	case int:
		b.int(name, int64(v))
	case int32:
		b.Int32(name, v)
	case int64:
		b.Int64(name, v)
	case uint64:
		b.Uint64(name, v)
	case float64:
		b.Double(name, v)
	case nil:
		b.Null(name)
	default:
		if name = clean(name); len(name) > maxName {
			b.fail(fmt.Errorf("encode name of %d bytes: %w", len(name), ErrName))
			return
		}
		e := encoder{b: b}
		rv := reflect.ValueOf(v)
		e.value(string(appendName(nil, name)), rv, e.types.of(rv.Type()))
	}
}

// int gives a number the width that the ubus tool gives it.
func (b *Builder) int(name string, n int64) {
	if intType(n) == Int32 {
		b.Int32(name, int32(n))
	} else {
		b.Int64(name, n)
	}
}

// encoder writes Go values; head is the name of each as it is on the wire.
type encoder struct {
	b     *Builder
	types types
	depth int // of pointers: one may lead back to itself
}

const noName = zeros // the encoded empty name of an array's values

func (e *encoder) value(head string, v reflect.Value, info *typeInfo) {
	if info.special && e.special(head, v) {
		return
	}
	switch info.kind {
	case reflect.Bool:
		var n int64
		if v.Bool() {
			n = 1
		}
		e.b.integer(Int8, head, n)
	case reflect.Int8:
		e.b.integer(Int8, head, v.Int())
	case reflect.Int16:
		e.b.integer(Int16, head, v.Int())
	case reflect.Uint8:
		e.b.integer(Int16, head, int64(v.Uint()))
	case reflect.Int32:
		e.b.integer(Int32, head, v.Int())
	case reflect.Uint16:
		e.b.integer(Int32, head, int64(v.Uint()))
	case reflect.Int64:
		e.b.integer(Int64, head, v.Int())
	case reflect.Int:
		e.b.integer(intType(v.Int()), head, v.Int())
	case reflect.Uint, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		e.unsigned(head, v.Uint(), info.kind == reflect.Uint)
	case reflect.Float32, reflect.Float64:
		if e.b.startEncoded(Double, head, 8) {
			e.b.buf = binary.BigEndian.AppendUint64(e.b.buf, math.Float64bits(v.Float()))
		}
	case reflect.String:
		e.b.text(head, v.String())
	case reflect.Pointer, reflect.Interface:
		e.indirect(head, v)
	case reflect.Struct:
		e.b.nest(TypeTable, head)
		e.structFields(v, info)
		e.b.Close()
	case reflect.Map:
		e.b.nest(TypeTable, head)
		e.mapFields(v, info)
		e.b.Close()
	case reflect.Slice, reflect.Array:
		e.list(head, v, info)
	default:
		e.b.fail(fmt.Errorf("encode %v: no blobmsg for it", v.Type()))
	}
}

func (e *encoder) unsigned(head string, u uint64, narrow bool) {
	switch {
	case u > math.MaxInt64:
		e.b.fail(fmt.Errorf("encode %d: overflows int64", u))
	case narrow:
		e.b.integer(intType(int64(u)), head, int64(u))
	default:
		e.b.integer(Int64, head, int64(u))
	}
}

func (e *encoder) indirect(head string, v reflect.Value) {
	if v.IsNil() {
		e.b.startEncoded(Unspec, head, 0)
		return
	}
	if e.depth++; e.depth > maxDepth {
		e.b.fail(ErrDepth)
		return
	}
	e.value(head, v.Elem(), e.types.of(v.Elem().Type()))
	e.depth--
}

// special writes types that know themselves how. A nil pointer is null.
func (e *encoder) special(head string, v reflect.Value) bool {
	if !v.CanInterface() {
		return false
	}
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return e.b.startEncoded(Unspec, head, 0)
	}
	switch x := v.Interface().(type) {
	case Table:
		e.raw(head, Value{data: x.body, typ: TypeTable})
	case Array:
		e.raw(head, Value{data: x.body, typ: TypeArray})
	case Value:
		e.raw(head, x)
	case Marshaler:
		e.b.nest(TypeTable, head)
		x.MarshalBlobmsg(e.b)
		e.b.Close()
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			e.b.fail(fmt.Errorf("encode %v: %w", v.Type(), err))
		}
		e.b.text(head, string(text))
	}
	return true
}

// raw writes a value as it was read.
func (e *encoder) raw(head string, v Value) {
	if e.b.startEncoded(v.typ, head, len(v.data)) {
		e.b.buf = append(e.b.buf, v.data...)
		e.b.pad()
	}
}

func (e *encoder) structFields(v reflect.Value, info *typeInfo) {
	for i := range info.fields {
		f := &info.fields[i]
		fv, ok := f.of(v)
		if !ok || f.omitEmpty && fv.IsZero() {
			continue
		}
		if f.fixed == "" {
			e.value(f.head, fv, f.info)
			continue
		}
		var n int64
		if f.info.kind != reflect.Bool {
			n = fv.Int()
		} else if fv.Bool() {
			n = 1
		}
		e.b.fixed(f.fixed, f.size, n)
	}
}

func (e *encoder) mapFields(v reflect.Value, info *typeInfo) {
	if v.Type().Key().Kind() != reflect.String {
		e.b.fail(fmt.Errorf("encode %v: names must be strings", v.Type()))
		return
	}
	type pair struct {
		name string
		key  reflect.Value
	}
	pairs := make([]pair, 0, v.Len())
	for _, k := range v.MapKeys() {
		pairs = append(pairs, pair{clean(k.String()), k})
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.key.String(), b.key.String()))
	})
	for i, p := range pairs {
		if p.name == "" || len(p.name) > maxName {
			e.b.fail(fmt.Errorf("encode name of %d bytes: %w", len(p.name), ErrName))
			return
		}
		if i > 0 && pairs[i-1].name == p.name {
			continue // two names that only cleaning made one
		}
		e.value(string(appendName(nil, p.name)), v.MapIndex(p.key), info.elem)
	}
}

func (e *encoder) list(head string, v reflect.Value, info *typeInfo) {
	if info.elem.kind == reflect.Uint8 && info.kind == reflect.Slice {
		e.b.text(head, string(v.Bytes()))
		return
	}
	e.b.nest(TypeArray, head)
	for i := range v.Len() {
		e.value(noName, v.Index(i), info.elem)
	}
	e.b.Close()
}

// intType is the width that the ubus tool gives to a number in JSON.
func intType(n int64) Type {
	if n >= math.MinInt32 && n <= math.MaxInt32 {
		return Int32
	}
	return Int64
}

func isNilPointer(v any) bool {
	rv := reflect.ValueOf(v)
	return rv.Kind() == reflect.Pointer && rv.IsNil()
}
