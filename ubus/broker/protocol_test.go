// SPDX-License-Identifier: GPL-2.0-only

package broker_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mezoura/mezoura/ubus/broker"
	"github.com/mezoura/mezoura/ubus/internal/proto"
)

// reference is ubusd.
type reference string

func (path reference) Path() string { return string(path) }

func startReference(t testing.TB) reference {
	t.Helper()
	if _, err := exec.LookPath("ubusd"); err != nil {
		if os.Getenv("MEZOURA_REQUIRE_LIBUBUS") != "" {
			t.Fatal("no ubusd on PATH")
		}
		t.Skip("no ubusd on PATH")
	}
	if os.Geteuid() != 0 {
		t.Skip("ubusd grants everything to root only")
	}
	dir, err := os.MkdirTemp("", "ubb-")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	cmd := exec.Command("ubusd", "-s", path, "-A", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		os.RemoveAll(dir)
	})
	eventually(t, "ubusd listens", func() bool {
		probe, err := net.Dial("unix", path)
		if err == nil {
			probe.Close()
		}
		return err == nil
	})
	return reference(path)
}

// TestProtocol asks what clients ask seldom or never, of our broker and of
// ubusd: both must answer alike.
func TestProtocol(t *testing.T) {
	t.Parallel()
	t.Run("broker", func(t *testing.T) {
		t.Parallel()
		protocol(t, start(t, broker.Options{}))
	})
	t.Run("ubusd", func(t *testing.T) {
		t.Parallel()
		protocol(t, startReference(t))
	})
}

func protocol(t *testing.T, b interface{ Path() string }) {
	c, other := connect(t, b), connect(t, b)
	if c.id == other.id {
		t.Error("two clients with one id")
	}
	id := func(attr int, v uint32) func(*proto.Writer) {
		return func(w *proto.Writer) { w.Uint32(attr, v) }
	}
	ids := func(attr1 int, v1 uint32, attr2 int, v2 uint32) func(*proto.Writer) {
		return func(w *proto.Writer) { w.Uint32(attr1, v1); w.Uint32(attr2, v2) }
	}
	status, data := c.ask(proto.AddObject, 1, func(w *proto.Writer) {
		w.Text(proto.AttrObjPath, "proto")
		w.Bytes(proto.AttrSignature, []byte("\x82\x00\x00\x08\x00\x01m\x00"))
	})
	if status != proto.OK || len(data) != 1 {
		t.Fatalf("add: %d, %v", status, data)
	}
	obj, typ := data[0].Uint32(proto.AttrObjID), data[0].Uint32(proto.AttrObjType)
	if obj < proto.FirstID || typ < proto.FirstID {
		t.Errorf("ids %#x, %#x", obj, typ)
	}
	status, data = other.ask(proto.AddObject, 1, nil)
	if status != proto.OK || len(data) != 1 || data[0].Has(proto.AttrObjType) {
		t.Fatalf("add nameless: %d, %v", status, data)
	}
	nameless := data[0].Uint32(proto.AttrObjID)

	tests := []struct {
		name  string
		typ   byte
		build func(*proto.Writer)
		want  int
	}{
		{"ping", proto.Ping, nil, proto.OK},
		{"hello", proto.Hello, nil, proto.InvalidCommand},
		{"monitor", proto.Monitor, nil, proto.InvalidCommand},
		{"unknown type", 200, nil, proto.InvalidCommand},
		{"lookup of nothing", proto.Lookup, func(w *proto.Writer) { w.Text(proto.AttrObjPath, "") }, proto.InvalidArgument},
		{"lookup of none", proto.Lookup, func(w *proto.Writer) { w.Text(proto.AttrObjPath, "x") }, proto.NotFound},
		{"path taken", proto.AddObject, func(w *proto.Writer) { w.Text(proto.AttrObjPath, "proto") }, proto.InvalidArgument},
		{"type shared", proto.AddObject, ids(proto.AttrObjType, typ, proto.AttrUnspec, 0), proto.OK},
		{"invoke nothing", proto.Invoke, nil, proto.InvalidArgument},
		{"invoke none", proto.Invoke, func(w *proto.Writer) { w.Uint32(proto.AttrObjID, 5000); w.Text(proto.AttrMethod, "m") }, proto.NotFound},
		{"invoke event object", proto.Invoke, func(w *proto.Writer) { w.Uint32(proto.AttrObjID, 1); w.Text(proto.AttrMethod, "x") }, proto.InvalidCommand},
		{"send without data", proto.Invoke, func(w *proto.Writer) { w.Uint32(proto.AttrObjID, 1); w.Text(proto.AttrMethod, "send") }, proto.InvalidArgument},
		{"invoke monitor object", proto.Invoke, func(w *proto.Writer) { w.Uint32(proto.AttrObjID, 3); w.Text(proto.AttrMethod, "x") }, proto.MethodNotFound},
		{"query access", proto.Invoke, func(w *proto.Writer) { w.Uint32(proto.AttrObjID, 2); w.Text(proto.AttrMethod, "query") }, proto.OK},
		{"remove nothing", proto.RemoveObject, nil, proto.InvalidArgument},
		{"remove none", proto.RemoveObject, id(proto.AttrObjID, 5000), proto.NotFound},
		{"remove another's", proto.RemoveObject, id(proto.AttrObjID, nameless), proto.PermissionDenied},
		{"remove the broker's", proto.RemoveObject, id(proto.AttrObjID, 1), proto.PermissionDenied},
		{"subscribe nothing", proto.Subscribe, id(proto.AttrObjID, obj), proto.InvalidArgument},
		{"subscribe to none", proto.Subscribe, ids(proto.AttrObjID, obj, proto.AttrTarget, 5000), proto.NotFound},
		{"subscribe another", proto.Subscribe, ids(proto.AttrObjID, nameless, proto.AttrTarget, obj), proto.InvalidArgument},
		{"subscribe to own", proto.Subscribe, ids(proto.AttrObjID, obj, proto.AttrTarget, obj), proto.InvalidArgument},
		{"subscribe", proto.Subscribe, ids(proto.AttrObjID, obj, proto.AttrTarget, nameless), proto.OK},
		{"unsubscribe", proto.Unsubscribe, ids(proto.AttrObjID, obj, proto.AttrTarget, nameless), proto.OK},
		{"unsubscribe twice", proto.Unsubscribe, ids(proto.AttrObjID, obj, proto.AttrTarget, nameless), proto.NotFound},
		{"notify nothing", proto.Notify, nil, proto.InvalidArgument},
		{"notify none", proto.Notify, func(w *proto.Writer) { w.Uint32(proto.AttrObjID, 5000); w.Text(proto.AttrMethod, "m") }, proto.NotFound},
		{"notify for another", proto.Notify, func(w *proto.Writer) { w.Uint32(proto.AttrObjID, nameless); w.Text(proto.AttrMethod, "m") }, proto.PermissionDenied},
		{"notify", proto.Notify, func(w *proto.Writer) { w.Uint32(proto.AttrObjID, obj); w.Text(proto.AttrMethod, "m") }, proto.OK},
		{"remove", proto.RemoveObject, id(proto.AttrObjID, obj), proto.OK},
	}
	for i, tt := range tests {
		if got, _ := c.ask(tt.typ, uint16(100+i), tt.build); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
	// An answer for somebody who is not there, or from somebody who was not asked, is dropped.
	c.send(frame(proto.Header{Type: proto.Data, Seq: 1, Peer: other.id}, func(w *proto.Writer) {
		w.Uint32(proto.AttrObjID, nameless)
		w.Bytes(proto.AttrData, nil)
	}))
	if status, data := other.ask(proto.Ping, 9, nil); status != 0 || len(data) != 1 {
		t.Errorf("ping: %d, %v", status, data)
	}
}
