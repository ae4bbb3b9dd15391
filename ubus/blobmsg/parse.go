// SPDX-License-Identifier: GPL-2.0-only

package blobmsg

import (
	"encoding/binary"
	"fmt"
)

// Parse takes the attributes of a table as they were received. It checks all
// of them, at every depth, and allocates nothing; the Table keeps body.
//
// It is as strict as blobmsg_check_attr, and stricter where libubox passes
// over the rest of a table in silence: a length that does not fit refuses the
// whole message.
func Parse(body []byte) (Table, error) {
	if err := check(body, 0); err != nil {
		return Table{}, err
	}
	return Table{body}, nil
}

func check(b []byte, depth int) error {
	if depth > maxDepth {
		return ErrDepth
	}
	for len(b) > 0 {
		if len(b) < headerLen {
			return malformed("%d bytes after the last attribute", len(b))
		}
		head := binary.BigEndian.Uint32(b)
		n := int(head & lenMask)
		if n < headerLen || pad(n) > len(b) {
			return malformed("attribute of %d bytes where %d are left", n, len(b))
		}
		data := b[headerLen:n]
		if head&extended != 0 {
			var err error
			if data, err = checkName(data); err != nil {
				return err
			}
		}
		if err := checkValue(Type(head>>typeShift&typeMask), data, depth); err != nil {
			return err
		}
		b = b[pad(n):]
	}
	return nil
}

// checkName returns what follows the name.
func checkName(data []byte) ([]byte, error) {
	if len(data) < 2 {
		return nil, malformed("name cut short")
	}
	l := int(binary.BigEndian.Uint16(data))
	if nameLen(l) > len(data) {
		return nil, malformed("name of %d bytes where %d are left", l, len(data)-2)
	}
	if data[2+l] != 0 {
		return nil, malformed("name without end")
	}
	return data[nameLen(l):], nil
}

func checkValue(t Type, data []byte, depth int) error {
	switch {
	case t > lastType:
		return malformed("unknown type %d", t)
	case t == TypeTable || t == TypeArray:
		return check(data, depth+1)
	case t == String:
		if len(data) == 0 || data[len(data)-1] != 0 {
			return malformed("string without end")
		}
	case t == Double:
		if len(data) < t.size() { // libubox lets a double be longer
			return malformed("double of %d bytes", len(data))
		}
	case t.integer():
		if len(data) != t.size() {
			return malformed("%v of %d bytes", t, len(data))
		}
	}
	return nil
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
