// SPDX-License-Identifier: GPL-2.0-only

package proto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Header is what a frame starts with.
type Header struct {
	Type byte
	Seq  uint16
	Peer uint32
}

// Frame is one message: the header and the attributes.
type Frame struct {
	Header
	Body []byte
}

// ErrFrame is returned for bytes that cannot be a frame. What follows them
// cannot be understood either: the connection is of no more use.
var ErrFrame = errors.New("malformed ubus frame")

// chunk is how much is read at a time, so that a header which announces a
// megabyte does not make us keep one before it has come.
const chunk = 32 << 10

// Read reads the next frame; the body is newly allocated. io.EOF means that
// the other end closed between two frames.
func Read(r io.Reader) (Frame, error) {
	var prefix [PrefixLen]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return Frame{}, err
	}
	f := Frame{Header: Header{Type: prefix[1], Seq: binary.BigEndian.Uint16(prefix[2:]), Peer: binary.BigEndian.Uint32(prefix[4:])}}
	raw := int(binary.BigEndian.Uint32(prefix[HeaderLen:]) & lenMask)
	if prefix[0] != 0 {
		return Frame{}, fmt.Errorf("%w: version %d", ErrFrame, prefix[0])
	}
	if raw < blobHeader || pad(raw) > MaxMessage {
		return Frame{}, fmt.Errorf("%w: length %d", ErrFrame, raw)
	}
	n := raw - blobHeader
	f.Body = make([]byte, 0, min(n, chunk))
	for len(f.Body) < n {
		at := len(f.Body)
		if at == cap(f.Body) {
			f.Body = append(make([]byte, 0, min(n, 4*at)), f.Body...)
		}
		f.Body = f.Body[:cap(f.Body)]
		m, err := io.ReadFull(r, f.Body[at:])
		f.Body = f.Body[:at+m]
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return Frame{}, err
		}
	}
	return f, nil
}

// Writer builds one frame. The zero Writer is ready; Start begins a frame.
type Writer struct{ buf []byte }

// Start begins a frame in the memory of the one before.
func (w *Writer) Start(h Header) {
	w.buf = append(w.buf[:0], 0, h.Type)
	w.buf = binary.BigEndian.AppendUint16(w.buf, h.Seq)
	w.buf = binary.BigEndian.AppendUint32(w.buf, h.Peer)
	w.buf = append(w.buf, 0, 0, 0, 0)
}

// Uint32 adds a number.
func (w *Writer) Uint32(attr int, v uint32) {
	w.head(attr, 4)
	w.buf = binary.BigEndian.AppendUint32(w.buf, v)
}

// Bool adds an int8.
func (w *Writer) Bool(attr int, v bool) {
	w.head(attr, 1)
	var b byte
	if v {
		b = 1
	}
	w.buf = append(w.buf, b, 0, 0, 0)
}

// Text adds a string.
func (w *Writer) Text(attr int, s string) {
	w.head(attr, len(s)+1)
	w.buf = append(append(w.buf, s...), 0)
	w.pad()
}

// Bytes adds a nested message.
func (w *Writer) Bytes(attr int, b []byte) {
	w.head(attr, len(b))
	w.buf = append(w.buf, b...)
	w.pad()
}

// Raw adds attributes as they are.
func (w *Writer) Raw(b []byte) { w.buf = append(w.buf, b...) }

// Finish returns the frame, valid until the next Start. ok is false if it is
// longer than a message may be.
func (w *Writer) Finish() (frame []byte, ok bool) {
	n := len(w.buf) - HeaderLen
	binary.BigEndian.PutUint32(w.buf[HeaderLen:], uint32(n)&lenMask)
	return w.buf, pad(n) <= MaxMessage
}

func (w *Writer) head(attr, n int) {
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(attr)<<idShift|uint32(n+blobHeader)&lenMask)
}

func (w *Writer) pad() {
	w.buf = append(w.buf, "\x00\x00\x00"[:pad(len(w.buf))-len(w.buf)]...)
}
