// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// networkOrder returns the number that has v's big-endian bytes in this machine's order.
func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// nativeShort returns the bytes of v in this machine's order.
func nativeShort(v uint16) (byte, byte) {
	b := binary.NativeEndian.AppendUint16(nil, v)
	return b[0], b[1]
}

// putHeader writes a control message's header to the start of b, which has room for it.
func putHeader(b []byte, h *unix.Cmsghdr) {
	*(*unix.Cmsghdr)(unsafe.Pointer(&b[0])) = *h
}
