// SPDX-License-Identifier: GPL-2.0-only

package broker_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/ubus/blobmsg"
	"github.com/mezoura/mezoura/ubus/broker"
	"github.com/mezoura/mezoura/ubus/internal/proto"
)

// TestAccess serves clients that are neither root nor the broker's own user.
func TestAccess(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	var mu sync.Mutex
	allowed := map[string]bool{"0 open m": true, "0 guest.event ": false, "4 fine.event ": true, "1 theirs ": true, "2 open ": true}
	asked := make(map[string]bool)
	b := start(t, broker.Options{Mode: 0o666, Allow: func(who broker.Cred, access broker.Access, name, method string) bool {
		mu.Lock()
		defer mu.Unlock()
		request := fmt.Sprintf("%d %s %s", access, name, method)
		asked[request] = true
		return who.UID == 4711 && who.GID == 4712 && allowed[request]
	}})
	alive(t, b)
	if len(asked) != 0 {
		t.Errorf("asked about ourselves: %v", asked)
	}
	signature := func(w *proto.Writer) { w.Bytes(proto.AttrSignature, []byte("\x82\x00\x00\x08\x00\x01m\x00")) }
	object := func(path string) func(*proto.Writer) {
		return func(w *proto.Writer) { w.Text(proto.AttrObjPath, path); signature(w) }
	}
	root := connect(t, b)
	ids := make(map[string]uint32)
	for i, path := range []string{"open", "secret"} {
		status, data := root.ask(proto.AddObject, uint16(i), object(path))
		if status != 0 {
			t.Fatal(status)
		}
		ids[path] = data[0].Uint32(proto.AttrObjID)
	}
	for _, dir := range []string{filepath.Dir(filepath.Dir(b.Path())), filepath.Dir(b.Path())} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var guest *raw
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // not unlocked: a thread of another user must end
		for _, call := range [][2]uintptr{{unix.SYS_SETRESGID, 4712}, {unix.SYS_SETRESUID, 4711}} {
			if _, _, errno := unix.RawSyscall(call[0], call[1], call[1], call[1]); errno != 0 {
				t.Error(errno)
				return
			}
		}
		guest = connect(t, b)
	}()
	<-done
	if guest == nil {
		t.FailNow()
	}
	call := func(object uint32, method, data string) func(*proto.Writer) {
		return func(w *proto.Writer) {
			w.Uint32(proto.AttrObjID, object)
			w.Text(proto.AttrMethod, method)
			w.Bytes(proto.AttrData, []byte(data))
		}
	}
	event := func(name string) string {
		data, err := blobmsg.Marshal(blobmsg.Fields{{"id", name}, {"data", blobmsg.Fields{}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(data.Bytes())
	}
	_, data := guest.ask(proto.AddObject, 1, nil) // nameless objects are anybody's
	watcher := data[0].Uint32(proto.AttrObjID)
	watch := func(target uint32) func(*proto.Writer) {
		return func(w *proto.Writer) { w.Uint32(proto.AttrObjID, watcher); w.Uint32(proto.AttrTarget, target) }
	}
	for i, tt := range []struct {
		name  string
		typ   byte
		build func(*proto.Writer)
		want  int
	}{
		{"publish ours", proto.AddObject, object("ours"), proto.InvalidArgument},
		{"publish theirs", proto.AddObject, object("theirs"), proto.OK},
		{"call secret", proto.Invoke, call(ids["secret"], "m", ""), proto.PermissionDenied},
		{"send", proto.Invoke, call(proto.ObjectEvent, "send", event("fine.event")), proto.OK},
		{"send another", proto.Invoke, call(proto.ObjectEvent, "send", event("guest.event")), proto.PermissionDenied},
		{"subscribe", proto.Subscribe, watch(ids["open"]), proto.OK},
		{"subscribe to secret", proto.Subscribe, watch(ids["secret"]), proto.NotFound},
		{"monitor", proto.Invoke, call(proto.ObjectMonitor, "add", ""), proto.PermissionDenied},
	} {
		if got, _ := guest.ask(tt.typ, uint16(10+i), tt.build); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
	status, seen := guest.ask(proto.Lookup, 50, nil)
	if status != 0 || len(seen) != 1 || seen[0].Text(proto.AttrObjPath) != "open" {
		t.Errorf("sees %d objects, status %d", len(seen), status)
	}
}
