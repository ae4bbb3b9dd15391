// SPDX-License-Identifier: GPL-2.0-only

// Package nlattr reads netlink attributes without copying them, and refuses those whose lengths do not fit.
package nlattr

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const typeMask = 0x3fff // without the flags of nested and of network byte order

// ErrShort is wrapped by errors of messages that end before they should.
var ErrShort = errors.New("message too short")

// Each calls fn for each attribute in data, as the kernel sends them: length and type in the machine's byte order,
// padded to 4 bytes. A length that does not fit is an error: what is behind it cannot be trusted either.
func Each(data []byte, fn func(kind uint16, value []byte) error) error {
	for len(data) > 0 {
		if len(data) < unix.SizeofNlAttr {
			return fmt.Errorf("attribute: %w", ErrShort)
		}
		n := int(binary.NativeEndian.Uint16(data))
		kind := binary.NativeEndian.Uint16(data[2:]) & typeMask
		if n < unix.SizeofNlAttr || n > len(data) {
			return fmt.Errorf("attribute %d: length %d of %d", kind, n, len(data))
		}
		if err := fn(kind, data[unix.SizeofNlAttr:n]); err != nil {
			return err
		}
		data = data[min(len(data), (n+3)&^3):]
	}
	return nil
}

// Text is the C string in value, cut at limit bytes.
func Text(value []byte, limit int) string {
	value, _, _ = bytes.Cut(value, []byte{0})
	return string(value[:min(len(value), limit)])
}
