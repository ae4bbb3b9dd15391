// SPDX-License-Identifier: GPL-2.0-only

package proto_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/mezoura/mezoura/ubus/internal/proto"
)

func TestFrame(t *testing.T) {
	t.Parallel()
	var w proto.Writer
	w.Start(proto.Header{Type: proto.Invoke, Seq: 0x1234, Peer: 0x89abcdef})
	w.Uint32(proto.AttrObjID, 7)
	w.Text(proto.AttrMethod, "stats")
	w.Bool(proto.AttrNoReply, true)
	w.Bytes(proto.AttrData, []byte{1, 2, 3, 4, 5})
	frame, ok := w.Finish()
	// The header's layout, spelled out.
	want := "\x00\x05\x12\x34\x89\xab\xcd\xef\x00\x00\x00\x2c" + "\x03\x00\x00\x08\x00\x00\x00\x07" +
		"\x04\x00\x00\x0astats\x00\x00\x00" + "\x0a\x00\x00\x05\x01\x00\x00\x00" + "\x07\x00\x00\x09\x01\x02\x03\x04\x05\x00\x00\x00"
	if !ok || string(frame) != want {
		t.Fatalf("got  %q\nwant %q", frame, want)
	}
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(frame), "by the byte": iotest.OneByteReader(bytes.NewReader(frame)), "in halves": iotest.HalfReader(bytes.NewReader(frame)),
	} {
		f, err := proto.Read(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		a := proto.Parse(f.Body)
		if f.Header != (proto.Header{Type: proto.Invoke, Seq: 0x1234, Peer: 0x89abcdef}) || a.Uint32(proto.AttrObjID) != 7 ||
			a.Text(proto.AttrMethod) != "stats" || !a.Bool(proto.AttrNoReply) || len(a[proto.AttrData]) != 5 || a.Has(proto.AttrTarget) {
			t.Errorf("%s: %+v", name, f)
		}
		if _, err := proto.Read(r); err != io.EOF {
			t.Errorf("%s: after the frame: %v", name, err)
		}
	}
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     error
	}{
		{"nothing", "", io.EOF},
		{"half a header", "\x00\x05\x00", io.ErrUnexpectedEOF},
		{"version", "\x01\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04", proto.ErrFrame},
		{"length below header", "\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03", proto.ErrFrame},
		{"length above limit", "\x00\x05\x00\x00\x00\x00\x00\x00\x00\x10\x00\x01", proto.ErrFrame},
		{"body cut short", "\x00\x05\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00abc", io.ErrUnexpectedEOF},
		{"body missing", "\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x08", io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		if _, err := proto.Read(bytes.NewReader([]byte(tt.in))); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	big := make([]byte, proto.MaxMessage-4)
	var w proto.Writer
	w.Start(proto.Header{})
	w.Raw(big)
	frame, ok := w.Finish()
	if f, err := proto.Read(bytes.NewReader(frame)); !ok || err != nil || len(f.Body) != len(big) {
		t.Errorf("1 MiB: ok %v, %v", ok, err)
	}
	w.Raw([]byte{0, 0, 0, 4})
	if _, ok := w.Finish(); ok {
		t.Error("more than 1 MiB is allowed")
	}
}

// FuzzRead reads anything; what is read, written again, is the same bytes.
func FuzzRead(f *testing.F) {
	f.Add([]byte("\x00\x05\x12\x34\x89\xab\xcd\xef\x00\x00\x00\x0c\x03\x00\x00\x08\x00\x00\x00\x07"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		frame, err := proto.Read(r)
		if err != nil {
			return
		}
		proto.Parse(frame.Body)
		for _, data := range proto.All(frame.Body) {
			for range proto.All(data) {
			}
		}
		var w proto.Writer
		w.Start(frame.Header)
		w.Raw(frame.Body)
		out, _ := w.Finish()
		again, err := proto.Read(bytes.NewReader(out))
		if err != nil || again.Header != frame.Header || !bytes.Equal(again.Body, frame.Body) {
			t.Fatalf("%x became %x (%v)", in, out, err)
		}
	})
}
