// SPDX-License-Identifier: GPL-2.0-only

package blobmsg

import (
	"encoding"
	"reflect"
	"slices"
	"strings"
)

// typeInfo is what Marshal and Unmarshal need to know of a Go type.
type typeInfo struct {
	kind    reflect.Kind
	special bool      // writes itself: see encoder.special
	fields  []field   // of a struct
	elem    *typeInfo // of a slice, array, map or pointer
}

// field is one field of a struct as blobmsg sees it.
type field struct {
	name      string
	head      string // the name as it is on the wire
	fixed     string // for a value of fixed size: all that comes before it
	size      int    // of that value
	at        int    // index, -1 if the field is reached through embedded structs
	index     []int
	omitEmpty bool
	info      *typeInfo
}

// types remembers types for the length of one Marshal or Unmarshal: a list of
// 250 hosts looks them up once, and nothing is global.
type types map[reflect.Type]*typeInfo

func (ts *types) of(t reflect.Type) *typeInfo {
	if info, ok := (*ts)[t]; ok {
		return info
	}
	if *ts == nil {
		*ts = make(types)
	}
	info := &typeInfo{kind: t.Kind(), special: special(t)}
	(*ts)[t] = info // before its fields: types may contain themselves
	switch info.kind {
	case reflect.Struct:
		info.fields = ts.fields(t)
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Pointer:
		info.elem = ts.of(t.Elem())
	}
	return info
}

func special(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[Table](), reflect.TypeFor[Array](), reflect.TypeFor[Value]():
		return true
	}
	return t.Kind() != reflect.Interface &&
		(t.Implements(reflect.TypeFor[Marshaler]()) || t.Implements(reflect.TypeFor[encoding.TextMarshaler]()))
}

func (ts *types) fields(t reflect.Type) []field {
	var fields []field
	var named [][]int // embedded structs with a name: tables of their own
	for _, f := range reflect.VisibleFields(t) {
		tag, tagged := f.Tag.Lookup("blobmsg")
		if !tagged {
			tag, tagged = f.Tag.Lookup("json")
		}
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case name == "-", f.Anonymous && !tagged: // an embedded struct's fields follow by themselves
			continue
		case !f.IsExported(), within(named, f.Index):
			continue
		case name == "":
			name = f.Name
		}
		if f.Anonymous {
			named = append(named, f.Index)
		}
		at := -1
		if len(f.Index) == 1 {
			at = f.Index[0]
		}
		fd := field{name: name, head: string(appendName(nil, clean(name))), at: at, index: f.Index,
			omitEmpty: strings.Contains(","+options+",", ",omitempty,"), info: ts.of(f.Type)}
		if t := fixedType(fd.info); t != Unspec {
			fd.size = t.size()
			var b Builder
			b.startEncoded(t, fd.head, fd.size)
			fd.fixed = string(b.buf)
		}
		fields = append(fields, fd)
	}
	return fields
}

// fixedType is the type on the wire of every value of a Go type, Unspec where
// it depends on the value or has no fixed size.
func fixedType(info *typeInfo) Type {
	if info.special {
		return Unspec
	}
	switch info.kind {
	case reflect.Bool, reflect.Int8:
		return Int8
	case reflect.Int16:
		return Int16
	case reflect.Int32:
		return Int32
	case reflect.Int64:
		return Int64
	}
	return Unspec
}

func within(outer [][]int, index []int) bool {
	for _, o := range outer {
		if len(o) < len(index) && slices.Equal(o, index[:len(o)]) {
			return true
		}
	}
	return false
}

// of returns the field's value in a struct, false within a nil embedded pointer.
func (f *field) of(v reflect.Value) (reflect.Value, bool) {
	if f.at >= 0 {
		return v.Field(f.at), true
	}
	fv, err := v.FieldByIndexErr(f.index)
	return fv, err == nil
}

// reach is of for writing: it makes the embedded pointers on the way.
func (f *field) reach(v reflect.Value) reflect.Value {
	for i, x := range f.index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(x)
	}
	return v
}
