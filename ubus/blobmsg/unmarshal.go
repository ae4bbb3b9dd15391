// SPDX-License-Identifier: GPL-2.0-only

package blobmsg

import (
	"encoding"
	"fmt"
	"reflect"
)

// TypeError tells of a value that does not fit the Go type it is read into.
type TypeError struct {
	Path string // names from the outermost table, with dots
	Type Type   // what the message has
	Go   reflect.Type
}

func (e *TypeError) Error() string {
	return fmt.Sprintf("decode %s: %v does not fit %v", e.Path, e.Type, e.Go)
}

// Unmarshal reads the table into a struct or a map with string keys, given by
// pointer. Integers of any width go into any Go integer or float that holds
// the number, an int8 also into a bool, strings also into TextUnmarshalers.
// Names unknown to the struct are passed over, null leaves a field as it is.
func (t Table) Unmarshal(v any) error {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return fmt.Errorf("decode table: %T is no pointer to write to", v)
	}
	d := decoder{}
	return d.value(Value{data: t.body, typ: TypeTable, ok: true}, rv.Elem())
}

// decoder reads into Go values; path is where it is, for errors.
type decoder struct {
	types types
	path  []string
}

func (d *decoder) value(v Value, to reflect.Value) error {
	if v.typ == Unspec {
		return nil
	}
	if to.Kind() == reflect.Pointer {
		if to.IsNil() {
			to.Set(reflect.New(to.Type().Elem()))
		}
		return d.value(v, to.Elem())
	}
	switch p := to.Addr().Interface().(type) {
	case *Table:
		return d.fits(v, to, v.typ == TypeTable, func() { p.body = v.data })
	case *Array:
		return d.fits(v, to, v.typ == TypeArray, func() { p.body = v.data })
	case *Value:
		*p = v
		return nil
	case encoding.TextUnmarshaler:
		if v.typ == String {
			if err := p.UnmarshalText(v.text()); err != nil {
				return fmt.Errorf("decode %s: %w", d.where(), err)
			}
			return nil
		}
	}
	switch v.typ {
	case TypeTable:
		return d.table(v, to)
	case TypeArray:
		return d.array(v, to)
	case String:
		return d.text(v, to)
	case Double:
		f, _ := v.Float()
		return d.double(v, f, to)
	}
	n, _ := v.Int()
	return d.integer(v, n, to)
}

func (d *decoder) integer(v Value, n int64, to reflect.Value) error {
	switch {
	case to.Kind() == reflect.Bool:
		return d.fits(v, to, v.typ == Int8, func() { to.SetBool(n != 0) })
	case to.CanInt():
		return d.fits(v, to, !to.OverflowInt(n), func() { to.SetInt(n) })
	case to.CanUint():
		return d.fits(v, to, n >= 0 && !to.OverflowUint(uint64(n)), func() { to.SetUint(uint64(n)) })
	case to.CanFloat():
		to.SetFloat(float64(n))
		return nil
	}
	return d.any(v, to)
}

func (d *decoder) double(v Value, f float64, to reflect.Value) error {
	if to.CanFloat() {
		to.SetFloat(f)
		return nil
	}
	return d.any(v, to)
}

func (d *decoder) text(v Value, to reflect.Value) error {
	switch {
	case to.Kind() == reflect.String:
		to.SetString(string(v.text()))
		return nil
	case to.Kind() == reflect.Slice && to.Type().Elem().Kind() == reflect.Uint8:
		to.SetBytes(append([]byte(nil), v.text()...))
		return nil
	}
	return d.any(v, to)
}

func (d *decoder) table(v Value, to reflect.Value) error {
	switch {
	case to.Kind() == reflect.Struct:
		return d.structure(v, to)
	case to.Kind() == reflect.Map && to.Type().Key().Kind() == reflect.String:
		if to.IsNil() {
			to.Set(reflect.MakeMap(to.Type()))
		}
		for rest := v.data; len(rest) > 0; {
			var name []byte
			var item Value
			name, item, rest = next(rest)
			key := reflect.ValueOf(string(name)).Convert(to.Type().Key())
			if to.MapIndex(key).IsValid() {
				continue // the first one counts
			}
			elem := reflect.New(to.Type().Elem()).Elem()
			if err := d.at(string(name), item, elem); err != nil {
				return err
			}
			to.SetMapIndex(key, elem)
		}
		return nil
	}
	return d.any(v, to)
}

// structure fills the fields of a struct. Messages are mostly in the order of
// the struct, so the search starts at the field after the last one found.
func (d *decoder) structure(v Value, to reflect.Value) error {
	fields := d.types.of(to.Type()).fields
	var few [64]bool
	seen := few[:]
	if len(fields) > len(few) {
		seen = make([]bool, len(fields))
	}
	at := 0
	for rest := v.data; len(rest) > 0; {
		var name []byte
		var item Value
		name, item, rest = next(rest)
		for i := range fields {
			j := at + i
			if j >= len(fields) {
				j -= len(fields)
			}
			if fields[j].name != string(name) {
				continue
			}
			if seen[j] {
				break
			}
			seen[j], at = true, j+1
			if err := d.at(fields[j].name, item, fields[j].reach(to)); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

func (d *decoder) array(v Value, to reflect.Value) error {
	a := Array{v.data}
	switch to.Kind() {
	case reflect.Slice:
		n := a.Len()
		s := reflect.MakeSlice(to.Type(), n, n)
		to.Set(s)
	case reflect.Array:
		to.SetZero()
	default:
		return d.any(v, to)
	}
	i := 0
	for rest := v.data; len(rest) > 0 && i < to.Len(); i++ {
		var item Value
		_, item, rest = next(rest)
		if err := d.at("[]", item, to.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

// any is the last resort: an empty interface takes everything.
func (d *decoder) any(v Value, to reflect.Value) error {
	return d.fits(v, to, to.Kind() == reflect.Interface && to.NumMethod() == 0, func() {
		if x := v.native(); x != nil {
			to.Set(reflect.ValueOf(x))
		}
	})
}

func (d *decoder) at(name string, v Value, to reflect.Value) error {
	d.path = append(d.path, name)
	err := d.value(v, to)
	d.path = d.path[:len(d.path)-1]
	return err
}

func (d *decoder) fits(v Value, to reflect.Value, ok bool, set func()) error {
	if !ok {
		return &TypeError{Path: d.where(), Type: v.typ, Go: to.Type()}
	}
	set()
	return nil
}

func (d *decoder) where() string {
	if len(d.path) == 0 {
		return "table"
	}
	var s []byte
	for i, name := range d.path {
		if i > 0 && name != "[]" {
			s = append(s, '.')
		}
		s = append(s, name...)
	}
	return string(s)
}
