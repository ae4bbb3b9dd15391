// SPDX-License-Identifier: GPL-2.0-only

package broker_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/broker"
	"github.com/mezoura/mezoura/ubus/internal/proto"
)

var background = context.Background()

func start(t testing.TB, opt broker.Options) *broker.Broker {
	t.Helper()
	dir, err := os.MkdirTemp("", "ubb-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b, err := broker.Listen(filepath.Join(dir, "run", "s"), opt)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- b.Serve(background) }()
	t.Cleanup(func() {
		if err := errors.Join(b.Close(), b.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
	return b
}

// raw is a client without manners.
type raw struct {
	*net.UnixConn
	t  testing.TB
	id uint32
}

func connect(t testing.TB, b interface{ Path() string }) *raw {
	t.Helper()
	sock, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: b.Path(), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sock.Close() })
	r := &raw{UnixConn: sock, t: t}
	hello := r.read()
	if hello.Type != proto.Hello || hello.Seq != 0 || hello.Peer < proto.FirstID || len(hello.Body) != 0 {
		t.Fatalf("hello: %+v", hello)
	}
	r.id = hello.Peer
	return r
}

func (r *raw) read() proto.Frame {
	r.t.Helper()
	if err := r.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	f, err := proto.Read(r)
	if err != nil {
		r.t.Fatal(err)
	}
	return f
}

func frame(h proto.Header, build func(*proto.Writer)) []byte {
	var w proto.Writer
	w.Start(h)
	if build != nil {
		build(&w)
	}
	f, _ := w.Finish()
	return f
}

func (r *raw) send(frame []byte) {
	r.t.Helper()
	if _, err := r.Write(frame); err != nil {
		r.t.Fatal(err)
	}
}

// ask sends a message and returns the status that answers it, and the data before.
func (r *raw) ask(typ byte, seq uint16, build func(*proto.Writer)) (int, []proto.Attrs) {
	r.t.Helper()
	r.send(frame(proto.Header{Type: typ, Seq: seq, Peer: 0xabc}, build))
	var data []proto.Attrs
	for {
		f := r.read()
		if f.Seq != seq || f.Peer != 0xabc {
			continue
		}
		a := proto.Parse(f.Body)
		if f.Type == proto.Status {
			return int(a.Uint32(proto.AttrStatus)), data
		}
		data = append(data, a)
	}
}

// alive checks that the broker serves others.
func alive(t testing.TB, b *broker.Broker) {
	t.Helper()
	c, err := ubus.Dial(background, ubus.Options{Socket: b.Path(), Transport: "wire", Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	o := ubus.Object{Path: fmt.Sprintf("alive.%p", c), Methods: []ubus.Method{{Name: "ping",
		Handler: func(context.Context, *ubus.Request) (any, error) { return map[string]int{"pong": 1}, nil }}}}
	if _, err := c.Publish(background, o); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Call(background, o.Path, "ping", nil); err != nil || got.Int("pong") != 1 {
		t.Fatalf("got %v, %v", got, err)
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func TestSocket(t *testing.T) {
	t.Parallel()
	for _, mode := range []os.FileMode{0, 0o600, 0o660, 0o666} {
		b := start(t, broker.Options{Mode: mode})
		st, err := os.Stat(b.Path())
		if mode == 0 {
			mode = 0o600
		}
		if err != nil || st.Mode().Perm() != mode || st.Mode()&os.ModeSocket == 0 {
			t.Errorf("got %v, %v, want %v", st.Mode(), err, mode)
		}
		if left, err := os.ReadDir(filepath.Dir(b.Path())); err != nil || len(left) != 1 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		if _, err := broker.Listen(b.Path(), broker.Options{}); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("socket in use: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(b.Path()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("after Close: %v", err)
		}
	}
	// What a killed broker left is replaced.
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	b, err := broker.Listen(path, broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// TestMalformed sends what is no message. The sender is cut off where it cannot
// be understood any more; nobody else notices.
func TestMalformed(t *testing.T) {
	t.Parallel()
	b := start(t, broker.Options{})
	for name, bytes := range map[string]string{
		"length too small": "\x00\x03\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00",
		"length too large": "\x00\x03\x00\x01\x00\x00\x00\x00\x00\x10\x00\x01",
		"version":          "\x07\x03\x00\x01\x00\x00\x00\x00\x00\x00\x00\x04",
		"http":             "GET / HTTP/1.1\r\nHost: router\r\n\r\n",
		"noise":            strings.Repeat("\xff", 4096),
	} {
		c := connect(t, b)
		c.send([]byte(bytes))
		if _, err := proto.Read(c); err == nil {
			t.Errorf("%s: not cut off", name)
		}
		alive(t, b)
	}
	// Attributes that are none count as absent.
	c := connect(t, b)
	for seq, body := range []string{"\x03\x00\x00\x05\x01\x00\x00\x00", "\x03\x00\x00\x03", "\x03\xff\xff\xff", "\x02\x00\x00\x06ab\x00\x00", "abc"} {
		if status, _ := c.ask(proto.RemoveObject, uint16(seq+1), func(w *proto.Writer) { w.Raw([]byte(body)) }); status != proto.InvalidArgument {
			t.Errorf("%q: status %d", body, status)
		}
	}
	eventually(t, "those cut off are gone", func() bool { return b.Clients() == 1 })
}

// TestHalfOpen has clients that stop in the middle of a frame, and ones that
// close their sending side and still want their answer.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	b := start(t, broker.Options{})
	for _, n := range []int{0, 1, 7, 8, 11} {
		connect(t, b).send(make([]byte, n))
	}
	big := connect(t, b)
	big.send([]byte("\x00\x03\x00\x01\x00\x00\x00\x00\x00\x10\x00\x00then nothing"))
	alive(t, b)

	c := connect(t, b)
	c.send(frame(proto.Header{Type: proto.Ping, Seq: 5}, nil))
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if f := c.read(); f.Type != proto.Data || f.Seq != 5 {
		t.Errorf("got %+v", f)
	}
	if f := c.read(); f.Type != proto.Status {
		t.Errorf("got %+v", f)
	}
	if _, err := proto.Read(c); err == nil {
		t.Error("the connection stays")
	}
	alive(t, b)
}

// TestNeverReads floods a client that does not read. It loses messages, memory
// stays bounded, and others are served; when it reads again, whole frames come.
func TestNeverReads(t *testing.T) {
	t.Parallel()
	b := start(t, broker.Options{})
	lazy := connect(t, b)
	status, data := lazy.ask(proto.AddObject, 1, nil)
	if status != 0 {
		t.Fatal(status)
	}
	lazyID := data[0].Uint32(proto.AttrObjID)
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	// Calls of the object of the client that does not read: 64 MiB of them.
	flood := connect(t, b)
	call := frame(proto.Header{Type: proto.Invoke, Seq: 1}, func(w *proto.Writer) {
		w.Uint32(proto.AttrObjID, lazyID)
		w.Text(proto.AttrMethod, "m")
		w.Bytes(proto.AttrData, make([]byte, 64<<10))
	})
	for range 1024 {
		flood.send(call)
	}
	alive(t, b)
	var after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 { // other tests run as well
		t.Errorf("the heap grew by %d", grown)
	}
	seen := 0
	for {
		if err := lazy.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		f, err := proto.Read(lazy)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil || f.Type != proto.Invoke {
			t.Fatalf("after %d frames: %+v, %v", seen, f.Header, err)
		}
		seen++
	}
	if seen == 0 || seen >= 1024 {
		t.Errorf("%d of 1024 calls came", seen)
	}
	if status, _ := lazy.ask(proto.Ping, 3, nil); status != 0 {
		t.Error("of no use afterwards")
	}
}

// TestThousand has 1,000 clients at once, each with an object, all told of an
// event; then they leave, and nothing is left.
func TestThousand(t *testing.T) {
	b := start(t, broker.Options{})
	raiseLimit(t)
	goroutines := runtime.NumGoroutine()
	const n = 1000
	clients := make([]*raw, n)
	for i := range clients {
		clients[i] = connect(t, b)
	}
	began := time.Now()
	for i, c := range clients {
		if status, _ := c.ask(proto.AddObject, 1, func(w *proto.Writer) {
			w.Text(proto.AttrObjPath, fmt.Sprintf("thousand.%03d", i))
			w.Bytes(proto.AttrSignature, nil)
		}); status != 0 {
			t.Fatalf("%d: %d", i, status)
		}
	}
	status, data := clients[0].ask(proto.Lookup, 2, nil)
	if status != 0 || len(data) != n {
		t.Fatalf("status %d, %d objects", status, len(data))
	}
	for i, a := range data {
		if want := fmt.Sprintf("thousand.%03d", i); a.Text(proto.AttrObjPath) != want {
			t.Fatalf("%d: %s", i, a.Text(proto.AttrObjPath))
		}
	}
	alive(t, b)
	t.Logf("%v for %d objects and their list", time.Since(began), n)
	for _, c := range clients {
		c.Close()
	}
	eventually(t, "all gone", func() bool { return b.Clients() == 0 })
	eventually(t, "no goroutine left", func() bool { return runtime.NumGoroutine() <= goroutines })
}

// TestMaxClients turns away what is too many, and serves again when some left.
func TestMaxClients(t *testing.T) {
	t.Parallel()
	b := start(t, broker.Options{MaxClients: 3})
	clients := []*raw{connect(t, b), connect(t, b), connect(t, b)}
	sock, err := net.Dial("unix", b.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	if _, err := proto.Read(sock); err == nil {
		t.Error("a fourth client is greeted")
	}
	clients[0].Close()
	eventually(t, "there is room", func() bool { return b.Clients() == 2 })
	alive(t, b)
}

// TestDescriptors sends a descriptor along. It is closed, the message counts.
func TestDescriptors(t *testing.T) {
	t.Parallel()
	b := start(t, broker.Options{})
	c := connect(t, b)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ping := frame(proto.Header{Type: proto.Ping, Seq: 7}, nil)
	if _, _, err := c.WriteMsgUnix(ping, unix.UnixRights(int(w.Fd())), nil); err != nil {
		t.Fatal(err)
	}
	if f := c.read(); f.Type != proto.Data || f.Seq != 7 {
		t.Errorf("got %+v", f)
	}
	w.Close()
	if err := r.SetReadDeadline(time.Now().Add(5 * time.Second)); err == nil {
		if _, err := r.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("somebody keeps the descriptor: %v", err)
		}
	}
}

func raiseLimit(t testing.TB) {
	t.Helper()
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	if l.Max < 4096 {
		t.Skipf("only %d descriptors allowed", l.Max)
	}
	l.Cur = l.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
}

// FuzzFrames sends anything to a broker; it must go on serving.
func FuzzFrames(f *testing.F) {
	b := start(f, broker.Options{})
	f.Add(frame(proto.Header{Type: proto.Ping, Seq: 1}, nil))
	f.Add(frame(proto.Header{Type: proto.AddObject, Seq: 1}, func(w *proto.Writer) {
		w.Text(proto.AttrObjPath, "f")
		w.Bytes(proto.AttrSignature, []byte("\x82\x00\x00\x08\x00\x01m\x00"))
	}))
	f.Add(frame(proto.Header{Type: proto.Invoke, Seq: 1}, func(w *proto.Writer) {
		w.Uint32(proto.AttrObjID, 1)
		w.Text(proto.AttrMethod, "register")
		w.Bytes(proto.AttrData, []byte("\x83\x00\x00\x12\x00\x07pattern\x00\x00\x00x*\x00"))
	}))
	f.Fuzz(func(t *testing.T, in []byte) {
		c := connect(t, b)
		if _, err := c.Write(in); err != nil && !errors.Is(err, syscall.EPIPE) {
			t.Fatal(err)
		}
		c.Close()
		p := connect(t, b)
		if status, _ := p.ask(proto.Ping, 1, nil); status != 0 {
			t.Fatal(status)
		}
		p.Close()
	})
}
