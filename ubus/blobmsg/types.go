// SPDX-License-Identifier: GPL-2.0-only

package blobmsg

import (
	"errors"
	"strconv"
)

// Type is the type of an attribute, as it is on the wire.
type Type uint8

// The types of libubox. Bool is what services call an int8.
const (
	Unspec Type = iota
	TypeArray
	TypeTable
	String
	Int64
	Int32
	Int16
	Int8
	Double
	// AnyInt is for policies only, never on the wire: an integer of any width
	// (BLOBMSG_CAST_INT64).
	AnyInt

	Bool     = Int8
	lastType = Double
)

var typeNames = [...]string{"unspec", "array", "table", "string", "int64", "int32", "int16", "int8", "double", "integer"}

func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "type " + strconv.Itoa(int(t))
}

// size is the number of bytes a value of the type has, 0 where it varies.
func (t Type) size() int {
	switch t {
	case Int8:
		return 1
	case Int16:
		return 2
	case Int32:
		return 4
	case Int64, Double:
		return 8
	}
	return 0
}

// integer tells whether the type is an integer of some width.
func (t Type) integer() bool { return t >= Int64 && t <= Int8 }

// Layout of an attribute: a header of four bytes (bit 31 "has a name", bits
// 24..30 the type, bits 0..23 the length with this header, without padding),
// then the name (length in two bytes, the name, NUL, padding), then the value,
// then padding. Padding reaches the next multiple of four.
const (
	headerLen = 4
	extended  = 1 << 31
	typeMask  = 0x7f
	typeShift = 24
	lenMask   = 1<<24 - 1
	maxName   = 1<<16 - 1

	// maxDepth bounds the nesting Parse accepts and Builder makes: readers
	// recurse. libubox knows no limit and dies of a deep enough message.
	maxDepth = 256
)

var (
	// ErrMalformed is what bytes that are not blobmsg are refused with.
	ErrMalformed = errors.New("malformed blobmsg")
	// ErrDepth is returned for tables nested too deep.
	ErrDepth = errors.New("blobmsg nested too deep")
	// ErrName is returned for a map key that cannot be a name: empty, or too long.
	ErrName = errors.New("not a blobmsg name")
	// ErrTooLong is returned for what exceeds the 16 MiB of an attribute or
	// the 64 KiB of a name.
	ErrTooLong = errors.New("blobmsg too long")
)

func pad(n int) int { return (n + 3) &^ 3 }

// nameLen is the encoded length of a name of n bytes.
func nameLen(n int) int { return pad(2 + n + 1) }
