// SPDX-License-Identifier: GPL-2.0-only

package ubus_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/internal/proto"
)

// TestWireFragments is a broker that writes by the byte and sends descriptors
// along: the client understands, and keeps none of them.
func TestWireFragments(t *testing.T) {
	t.Parallel()
	path := filepath.Join(shortDir(t), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	served := make(chan error, 1)
	go func() { served <- oneLookup(l, w) }()
	c := dial(t, ubus.Options{Socket: path, Transport: "wire", Timeout: 5 * time.Second})
	found, err := c.Lookup(background, "some.*")
	if err != nil || len(found) != 1 || found[0].Path != "some.object" || found[0].ID != 5000 {
		t.Errorf("got %v, %v", found, err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := r.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("somebody keeps a descriptor: %v", err)
	}
}

// oneLookup greets one client and answers its lookup, each byte for itself and
// with a descriptor.
func oneLookup(l *net.UnixListener, along *os.File) error {
	sock, err := l.AcceptUnix()
	if err != nil {
		return err
	}
	send := func(h proto.Header, build func(*proto.Writer)) error {
		var w proto.Writer
		w.Start(h)
		build(&w)
		frame, _ := w.Finish()
		for i := range frame {
			if _, _, err := sock.WriteMsgUnix(frame[i:i+1], unix.UnixRights(int(along.Fd())), nil); err != nil {
				return err
			}
		}
		return nil
	}
	if err := send(proto.Header{Type: proto.Hello, Peer: 4711}, func(*proto.Writer) {}); err != nil {
		return err
	}
	f, err := proto.Read(sock)
	if err != nil {
		return err
	}
	h := proto.Header{Type: proto.Data, Seq: f.Seq, Peer: f.Peer}
	err = send(h, func(w *proto.Writer) {
		w.Text(proto.AttrObjPath, "some.object")
		w.Uint32(proto.AttrObjID, 5000)
		w.Uint32(proto.AttrObjType, 5001)
	})
	h.Type = proto.Status
	return errors.Join(err, send(h, func(w *proto.Writer) { w.Uint32(proto.AttrStatus, 0) }))
}
