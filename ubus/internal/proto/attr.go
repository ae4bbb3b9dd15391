// SPDX-License-Identifier: GPL-2.0-only

package proto

import (
	"bytes"
	"encoding/binary"
)

// Attrs are the attributes of a message by number. An absent one is nil, an
// empty one is not.
type Attrs [attrMax][]byte

// Parse takes a message apart as libubus and ubusd do: unknown attributes and
// such of a wrong type count as absent, of several the last one counts, and
// what cannot be an attribute ends the message.
func Parse(body []byte) Attrs {
	var a Attrs
	for id, data := range All(body) {
		if id < attrMax && valid(id, data) {
			a[id] = data
		}
	}
	return a
}

// All goes through the attributes of a message or of a nested one.
func All(body []byte) func(yield func(id int, data []byte) bool) {
	return func(yield func(int, []byte) bool) {
		for len(body) >= blobHeader {
			head := binary.BigEndian.Uint32(body)
			n := int(head & lenMask)
			if n < blobHeader || pad(n) > len(body) {
				return
			}
			if !yield(int(head>>idShift&idMask), body[blobHeader:n:n]) {
				return
			}
			body = body[pad(n):]
		}
	}
}

func valid(id int, data []byte) bool {
	switch id {
	case AttrStatus, AttrObjID, AttrObjType, AttrTarget:
		return len(data) == 4
	case AttrObjPath, AttrMethod, AttrUser, AttrGroup:
		return len(data) > 0 && data[len(data)-1] == 0
	case AttrActive, AttrNoReply:
		return len(data) == 1
	}
	return true
}

// Has tells whether an attribute is there.
func (a *Attrs) Has(id int) bool { return a[id] != nil }

// Uint32 reads a number, 0 if absent.
func (a *Attrs) Uint32(id int) uint32 {
	if len(a[id]) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(a[id])
}

// Bool reads an int8, false if absent.
func (a *Attrs) Bool(id int) bool { return len(a[id]) == 1 && a[id][0] != 0 }

// Text reads a string up to its NUL, "" if absent.
func (a *Attrs) Text(id int) string {
	if i := bytes.IndexByte(a[id], 0); i >= 0 {
		return string(a[id][:i])
	}
	return ""
}
