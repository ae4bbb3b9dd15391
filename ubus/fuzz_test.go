// SPDX-License-Identifier: GPL-2.0-only

package ubus_test

import (
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/internal/proto"
)

// FuzzClient is a broker that greets and then says anything. The client must
// not fall over, and must close.
func FuzzClient(f *testing.F) {
	frame := func(h proto.Header, build func(*proto.Writer)) []byte {
		var w proto.Writer
		w.Start(h)
		build(&w)
		b, _ := w.Finish()
		return append([]byte(nil), b...)
	}
	f.Add([]byte{})
	f.Add(frame(proto.Header{Type: proto.Status, Seq: 1}, func(w *proto.Writer) { w.Uint32(proto.AttrStatus, 0) }))
	f.Add(append(frame(proto.Header{Type: proto.Data, Seq: 1}, func(w *proto.Writer) {
		w.Text(proto.AttrObjPath, "x")
		w.Uint32(proto.AttrObjID, 5000)
		w.Uint32(proto.AttrObjType, 5001)
	}), frame(proto.Header{Type: proto.Status, Seq: 1}, func(w *proto.Writer) { w.Uint32(proto.AttrStatus, 0) })...))
	f.Add(frame(proto.Header{Type: proto.Invoke, Seq: 1, Peer: 9}, func(w *proto.Writer) {
		w.Uint32(proto.AttrObjID, 5000)
		w.Text(proto.AttrMethod, "m")
		w.Bytes(proto.AttrData, []byte("\x85\x00\x00\x0c\x00\x01n\x00\x00\x00\x00\x01"))
	}))
	f.Add(frame(proto.Header{Type: proto.Monitor, Seq: 1}, func(w *proto.Writer) { w.Uint32(proto.MonitorClient, 1) }))
	path := filepath.Join(shortDir(f), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { l.Close() })
	said := make(chan []byte, 1)
	go func() {
		for {
			sock, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(io.Discard, sock)
			hello := frame(proto.Header{Type: proto.Hello, Peer: 4711}, func(*proto.Writer) {})
			_, _ = sock.Write(append(hello, <-said...))
			time.Sleep(time.Millisecond)
			sock.Close()
		}
	}()
	f.Fuzz(func(t *testing.T, in []byte) {
		said <- in
		c, err := ubus.Dial(background, ubus.Options{Socket: path, Transport: "wire", Timeout: 5 * time.Second, MaxPause: time.Hour,
			Rand: func() float64 { return 1e6 }}) // no second attempt
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Call(background, "x", "m", nil) // whatever it is told
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
