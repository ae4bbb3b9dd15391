// SPDX-License-Identifier: GPL-2.0-only

package blobmsg

import (
	"bytes"
	"encoding/binary"
	"iter"
	"math"
)

// Value is one attribute's value. The zero Value is that of an attribute
// which is not there: its readers all answer false.
type Value struct {
	data []byte
	typ  Type
	ok   bool
}

// Exists tells whether there is such an attribute.
func (v Value) Exists() bool { return v.ok }

// Type returns the type on the wire.
func (v Value) Type() Type { return v.typ }

// Bool reads an integer of any width as a boolean, as services do.
func (v Value) Bool() (b, ok bool) {
	n, ok := v.Int()
	return n != 0, ok
}

// Int reads an integer of any width.
func (v Value) Int() (n int64, ok bool) {
	switch v.typ {
	case Int8:
		return int64(int8(v.data[0])), true
	case Int16:
		return int64(int16(binary.BigEndian.Uint16(v.data))), true
	case Int32:
		return int64(int32(binary.BigEndian.Uint32(v.data))), true
	case Int64:
		return int64(binary.BigEndian.Uint64(v.data)), true
	}
	return 0, false
}

// Float reads a double, or an integer of any width.
func (v Value) Float() (f float64, ok bool) {
	if v.typ == Double {
		return math.Float64frombits(binary.BigEndian.Uint64(v.data)), true
	}
	n, ok := v.Int()
	return float64(n), ok
}

// Text reads a string.
func (v Value) Text() (s string, ok bool) {
	if v.typ != String {
		return "", false
	}
	return string(v.text()), true
}

// Table reads a table.
func (v Value) Table() (t Table, ok bool) {
	if v.typ != TypeTable {
		return Table{}, false
	}
	return Table{v.data}, true
}

// Array reads an array.
func (v Value) Array() (a Array, ok bool) {
	if v.typ != TypeArray {
		return Array{}, false
	}
	return Array{v.data}, true
}

// Any returns the value as the Go type that the package comment lists.
func (v Value) Any() any {
	n, _ := v.Int()
	switch v.typ {
	case Int8:
		if n == 0 || n == 1 {
			return n == 1
		}
		return int8(n)
	case Int16:
		return int16(n)
	case Int32:
		return int32(n)
	case Int64:
		return n
	case Double:
		f, _ := v.Float()
		return f
	case String:
		return string(v.text())
	case TypeTable:
		return Table{v.data}
	case TypeArray:
		return Array{v.data}
	}
	return nil
}

// text is the string without the NUL that ends it: for C, the first one does.
func (v Value) text() []byte {
	return v.data[:bytes.IndexByte(v.data, 0)]
}

// Table is an encoded table: named values, in order. Names may repeat; the
// first one counts, as in libubox.
type Table struct{ body []byte }

// Bytes returns the encoded attributes; they must not be changed.
func (t Table) Bytes() []byte { return t.body }

// Empty tells whether the table has no attributes.
func (t Table) Empty() bool { return len(t.body) == 0 }

// All goes through names and values in order.
func (t Table) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for rest := t.body; len(rest) > 0; {
			var name []byte
			var v Value
			if name, v, rest = next(rest); !yield(string(name), v) {
				return
			}
		}
	}
}

// Get returns the value of a name, or the zero Value.
func (t Table) Get(name string) Value {
	for rest := t.body; len(rest) > 0; {
		var n []byte
		var v Value
		if n, v, rest = next(rest); string(n) == name {
			return v
		}
	}
	return Value{}
}

// Text returns the string of that name, "" if there is none.
func (t Table) Text(name string) string {
	s, _ := t.Get(name).Text()
	return s
}

// Int returns the integer of that name, 0 if there is none.
func (t Table) Int(name string) int64 {
	n, _ := t.Get(name).Int()
	return n
}

// Bool returns the boolean of that name, false if there is none.
func (t Table) Bool(name string) bool {
	b, _ := t.Get(name).Bool()
	return b
}

// Table returns the table of that name, an empty one if there is none.
func (t Table) Table(name string) Table {
	sub, _ := t.Get(name).Table()
	return sub
}

// Array returns the array of that name, an empty one if there is none.
func (t Table) Array(name string) Array {
	a, _ := t.Get(name).Array()
	return a
}

// Map returns the table as a map, the tables and arrays within as
// map[string]any and []any.
func (t Table) Map() map[string]any {
	m := make(map[string]any)
	for name, v := range t.All() {
		if _, twice := m[name]; !twice {
			m[name] = v.native()
		}
	}
	return m
}

// Array is an encoded array: values in order.
type Array struct{ body []byte }

// All goes through the values in order.
func (a Array) All() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		for rest := a.body; len(rest) > 0; {
			var v Value
			if _, v, rest = next(rest); !yield(v) {
				return
			}
		}
	}
}

// Len counts the values.
func (a Array) Len() int {
	n := 0
	for rest := a.body; len(rest) > 0; n++ {
		_, _, rest = next(rest)
	}
	return n
}

// Slice returns the array as a slice, see Table.Map.
func (a Array) Slice() []any {
	s := make([]any, 0, a.Len())
	for v := range a.All() {
		s = append(s, v.native())
	}
	return s
}

func (v Value) native() any {
	switch v.typ {
	case TypeTable:
		return Table{v.data}.Map()
	case TypeArray:
		return Array{v.data}.Slice()
	}
	return v.Any()
}

// next splits the first attribute off bytes that Parse has checked.
func next(b []byte) (name []byte, v Value, rest []byte) {
	head := binary.BigEndian.Uint32(b)
	n := int(head & lenMask)
	data := b[headerLen:n]
	if head&extended != 0 {
		l := int(binary.BigEndian.Uint16(data))
		name, data = data[2:2+l], data[nameLen(l):]
	}
	return name, Value{data: data, typ: Type(head >> typeShift & typeMask), ok: true}, b[pad(n):]
}
