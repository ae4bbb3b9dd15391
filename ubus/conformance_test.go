// SPDX-License-Identifier: GPL-2.0-only

package ubus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/blobmsg"
)

var background = context.Background()

// echo is an object that returns its arguments.
func echo(path string) ubus.Object {
	answer := func(err error) func(context.Context, *ubus.Request) (any, error) {
		return func(_ context.Context, r *ubus.Request) (any, error) { return nil, err }
	}
	return ubus.Object{Path: path, Methods: []ubus.Method{
		{Name: "echo", Handler: func(_ context.Context, r *ubus.Request) (any, error) { return r.Args, nil }},
		{Name: "typed", Args: []ubus.Arg{
			{Name: "n", Type: blobmsg.Int32, Required: true}, {Name: "s", Type: blobmsg.String}, {Name: "on", Type: blobmsg.Bool},
			{Name: "any", Type: blobmsg.AnyInt}, {Name: "list", Type: blobmsg.TypeArray}, {Name: "t", Type: blobmsg.TypeTable},
			{Name: "free", Type: blobmsg.Unspec}},
			Handler: func(_ context.Context, r *ubus.Request) (any, error) { return map[string]bool{"ok": true}, nil }},
		{Name: "nothing", Handler: answer(nil)},
		{Name: "refuse", Handler: answer(fmt.Errorf("told so: %w", ubus.ErrPermissionDenied))},
		{Name: "fail", Handler: answer(errors.New("some other error"))},
		{Name: "code", Handler: answer(ubus.Status(77))},
		{Name: "who", Handler: func(_ context.Context, r *ubus.Request) (any, error) {
			return map[string]string{"user": r.User, "group": r.Group, "method": r.Method}, nil
		}},
		{Name: "size", Args: []ubus.Arg{{Name: "n", Type: blobmsg.Int32, Required: true}},
			Handler: func(_ context.Context, r *ubus.Request) (any, error) {
				return map[string]string{"s": strings.Repeat("x", int(r.Args.Int("n")))}, nil
			}},
		{Name: "stall", Handler: func(ctx context.Context, _ *ubus.Request) (any, error) {
			<-ctx.Done()
			return nil, nil
		}},
	}}
}

func publish(t testing.TB, c *ubus.Conn, o ubus.Object) *ubus.Published {
	t.Helper()
	p, err := c.Publish(background, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCall(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b *bench) {
		publish(t, b.dial(t), echo("test.echo"))
		c := b.dial(t)
		args := blobmsg.Fields{{"null", nil}, {"b", true}, {"i8", int8(-3)}, {"i16", int16(-300)}, {"i32", -70000},
			{"i64", int64(1) << 60}, {"d", 0.1}, {"s", "Zürich"}, {"a", []any{1, "x", []int{}}}, {"t", blobmsg.Fields{{"k", "v"}}}}
		want, err := blobmsg.Marshal(args)
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range []any{args, nil, map[string]int{}, struct{ A string }{"b"}} {
			got, err := c.Call(background, "test.echo", "echo", args)
			if err != nil {
				t.Fatal(err)
			}
			if want, _ := blobmsg.Marshal(args); string(got.Bytes()) != string(want.Bytes()) {
				t.Errorf("got %v, want %v", got, want)
			}
		}
		if got := strings.TrimSpace(b.tool(t, "-S", "call", "test.echo", "echo", `{"i32":1,"i64":5000000000,"d":1.5,"s":"x","a":[],"n":null,"b":true}`)); got !=
			`{"i32":1,"i64":5000000000,"d":1.500000,"s":"x","a":[],"n":null,"b":true}` {
			t.Errorf("ubus tool: %s", got)
		}
		if _, err := c.Call(background, "test.echo", "echo", want); err != nil {
			t.Errorf("a Table as arguments: %v", err)
		}
		who, err := c.Call(background, "test.echo", "who", nil)
		if err != nil || who.Text("user") == "" || who.Text("group") == "" || who.Text("method") != "who" {
			t.Errorf("who: %v, %v", who, err)
		}
	})
}

func TestStatus(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b *bench) {
		server := b.dial(t)
		publish(t, server, echo("test.echo"))
		tests := []struct {
			object, method string
			args           any
			want           error
		}{
			{"test.echo", "nothing", nil, nil},
			{"test.echo", "refuse", nil, ubus.ErrPermissionDenied},
			{"test.echo", "fail", nil, ubus.ErrUnknown},
			{"test.echo", "code", nil, ubus.Status(77)},
			{"test.echo", "none", nil, ubus.ErrMethodNotFound},
			{"test.none", "echo", nil, ubus.ErrNotFound},
			{"test.*", "echo", nil, ubus.ErrNotFound},
			{"", "echo", nil, ubus.ErrNotFound},
			{"test.echo", "typed", map[string]any{"n": 1}, nil},
			{"test.echo", "typed", map[string]any{"n": 1, "s": "x", "on": true, "any": int64(1), "list": []int{}, "t": map[string]int{}, "free": "x"}, nil},
			{"test.echo", "typed", map[string]any{"n": 1, "unknown": 1}, nil},
			{"test.echo", "typed", map[string]any{}, ubus.ErrInvalidArgument},
			{"test.echo", "typed", map[string]any{"n": "1"}, ubus.ErrInvalidArgument},
			{"test.echo", "typed", map[string]any{"n": int64(1)}, ubus.ErrInvalidArgument},
			{"test.echo", "typed", map[string]any{"n": 1, "s": 1}, ubus.ErrInvalidArgument},
			{"test.echo", "typed", map[string]any{"n": 1, "on": 1}, ubus.ErrInvalidArgument},
			{"test.echo", "typed", map[string]any{"n": 1, "any": "1"}, ubus.ErrInvalidArgument},
			{"test.echo", "typed", map[string]any{"n": 1, "list": map[string]int{}}, ubus.ErrInvalidArgument},
			{"test.echo", "typed", map[string]any{"n": 1, "t": []int{}}, ubus.ErrInvalidArgument},
		}
		for _, c := range map[string]*ubus.Conn{"another's object": b.dial(t), "our own object": server} {
			for _, tt := range tests {
				if _, err := c.Call(background, tt.object, tt.method, tt.args); !errors.Is(err, tt.want) {
					t.Errorf("%s %s %v: got %v, want %v", tt.object, tt.method, tt.args, err, tt.want)
				}
			}
		}
		var e *ubus.Error
		_, err := server.Call(background, "test.none", "echo", nil)
		if !errors.As(err, &e) || err.Error() != "call test.none echo: not found" {
			t.Errorf("got %v", err)
		}
		if _, err := server.Publish(background, echo("test.echo")); !errors.Is(err, ubus.ErrInvalidArgument) {
			t.Errorf("path in use: %v", err)
		}
		out, err := b.command(t, "call", "test.echo", "typed", `{"n":"1"}`).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "Invalid argument") {
			t.Errorf("ubus tool: %v: %s", err, out)
		}
	})
}

func TestList(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b *bench) {
		server := b.dial(t)
		for _, path := range []string{"mezoura", "mez", "network", "mez.b", "mfoo"} {
			publish(t, server, echo(path))
		}
		c := b.dial(t)
		for pattern, want := range map[string]string{"": "mez mez.b mezoura mfoo network", "mez*": "mez mez.b mezoura", "mez": "mez",
			"*": "mez mez.b mezoura mfoo network", "n*": "network", "mezoura*": "mezoura"} {
			found, err := c.Lookup(background, pattern)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range found {
				got = append(got, o.Path)
				if methods, err := blobmsg.Parse(o.Signature); err != nil || !methods.Get("typed").Exists() {
					t.Errorf("signature of %s: %v, %v", o.Path, methods, err)
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%q: got %v, want %s", pattern, got, want)
			}
			args := []string{"list"}
			if pattern != "" {
				args = append(args, pattern)
			}
			if got := strings.Join(strings.Fields(b.tool(t, args...)), " "); got != want {
				t.Errorf("ubus list %q: got %s, want %s", pattern, got, want)
			}
		}
		for _, pattern := range []string{"x*", "me", "mezouraa"} {
			if found, err := c.Lookup(background, pattern); !errors.Is(err, ubus.ErrNotFound) {
				t.Errorf("%q: got %v, %v", pattern, found, err)
			}
		}
		listing := b.tool(t, "-v", "list", "mezoura")
		if want := `"typed":{"n":"Integer","s":"String","on":"Boolean","any":"Integer","list":"Array","t":"Table","free":"(unknown)"}`; !strings.Contains(listing, want) {
			t.Errorf("got %s, want %s", listing, want)
		}
	})
}

func TestNotify(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b *bench) {
		var changes collector[bool]
		o := echo("test.notify")
		o.Subscribed = changes.add
		server := b.dial(t)
		p := publish(t, server, o)
		if err := p.Notify(background, "nobody.hears", nil); err != nil {
			t.Error(err)
		}
		if _, err := server.Lookup(background, "test.notify"); err != nil { // answered after what was sent before it
			t.Fatal(err)
		}
		c := b.dial(t)
		var got collector[ubus.Notification]
		s, err := c.Subscribe(background, "test.notify", got.add)
		if err != nil || !s.Active() {
			t.Fatalf("active %v, %v", s.Active(), err)
		}
		eventually(t, "the object has a subscriber", p.Subscribed)
		tool := b.output(t, "subscribe", "test.notify")
		time.Sleep(100 * time.Millisecond) // the tool does not say when it is ready
		for i := range 100 {
			if err := p.Notify(background, "host.new", map[string]any{"n": i}); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "100 notifications", func() bool { return len(got.all()) == 100 })
		for i, n := range got.all() {
			if n.Type != "host.new" || n.Object != "test.notify" || n.Data.Int("n") != int64(i) || n.Missed != 0 {
				t.Fatalf("%d: got %+v", i, n)
			}
		}
		eventually(t, "the ubus tool prints it", func() bool { return strings.Contains(tool.String(), `{ "host.new": {"n":99} }`) })
		if _, err := server.Subscribe(background, "test.notify", got.add); !errors.Is(err, ubus.ErrInvalidArgument) {
			t.Errorf("our own object: %v", err)
		}

		// The object goes and comes back.
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the subscription ends", func() bool { return !s.Active() })
		p = publish(t, server, o)
		eventually(t, "it is taken up again", s.Active)
		if err := p.Notify(background, "again", nil); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the notification", func() bool { n := got.all(); return n[len(n)-1].Type == "again" })
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "no subscriber is left", func() bool {
			got := changes.all()
			return !p.Subscribed() && got[0] && !got[len(got)-1]
		})
	})
}

// TestSubscribeFirst subscribes to what is not there yet.
func TestSubscribeFirst(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b *bench) {
		var got collector[ubus.Notification]
		s, err := b.dial(t).Subscribe(background, "test.later", got.add)
		if err != nil || s.Active() {
			t.Fatalf("%v, %v", s, err)
		}
		p := publish(t, b.dial(t), echo("test.later"))
		eventually(t, "subscribed", s.Active)
		if err := p.Notify(background, "x", nil); err != nil {
			t.Fatal(err)
		}
		eventually(t, "notified", func() bool { return len(got.all()) == 1 })
	})
}

func TestEvents(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b *bench) {
		c, sender := b.dial(t), b.dial(t)
		received := make(map[string]*collector[ubus.Event])
		for _, pattern := range []string{"*", "net*", "network.interface", "network.*", "n", "zzz*"} {
			received[pattern] = &collector[ubus.Event]{}
			if _, err := c.Listen(background, pattern, received[pattern].add); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Listen(background, "", func(ubus.Event) {}); !errors.Is(err, ubus.ErrPermissionDenied) {
			t.Errorf("empty pattern: %v", err)
		}
		own := &collector[ubus.Event]{}
		if _, err := sender.Listen(background, "*", own.add); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"network.interface", "network.device", "n", "net"} {
			if err := sender.Send(background, name, map[string]string{"name": name}); err != nil {
				t.Fatal(err)
			}
		}
		b.tool(t, "send", "last", `{"name":"last"}`)
		for pattern, want := range map[string]string{"*": "network.interface network.device n net last", "net*": "network.interface network.device net",
			"network.interface": "network.interface", "network.*": "network.interface network.device", "n": "n", "zzz*": ""} {
			names := func() string {
				var names []string
				for _, e := range received[pattern].all() {
					if e.Data.Text("name") == e.Name { // the others are about objects
						names = append(names, e.Name)
					}
				}
				return strings.Join(names, " ")
			}
			eventually(t, pattern+" gets "+want, func() bool { return names() == want })
		}
		for _, e := range own.all() {
			if e.Data.Text("name") == "net" {
				t.Error("an event came back to its sender")
			}
		}
		if err := sender.Send(background, "ubus.object.add", nil); !errors.Is(err, ubus.ErrPermissionDenied) {
			t.Errorf("the broker's own event: %v", err)
		}
		tool := b.output(t, "listen", "from.us")
		eventually(t, "the ubus tool listens", func() bool {
			if err := sender.Send(background, "from.us", map[string]int{"n": 1}); err != nil {
				t.Fatal(err)
			}
			return strings.Contains(tool.String(), `{ "from.us": {"n":1} }`)
		})
	})
}

func TestWatch(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b *bench) {
		server, c := b.dial(t), b.dial(t)
		publish(t, server, echo("test.early"))
		var got collector[ubus.ObjectChange]
		w, err := c.Watch(background, "test.*", got.add)
		if err != nil {
			t.Fatal(err)
		}
		told := func() string {
			var s []string
			for _, o := range got.all() {
				s = append(s, map[bool]string{true: "+", false: "-"}[o.Added]+o.Path)
			}
			return strings.Join(s, " ")
		}
		eventually(t, "what is there", func() bool { return told() == "+test.early" })
		p := publish(t, server, echo("test.a"))
		publish(t, server, echo("other"))
		publish(t, c, echo("test.own"))
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "what changed: "+told(), func() bool { return told() == "+test.early +test.a +test.own -test.a" })
		b.server.stop(t)
		b.server.start(t)
		eventually(t, "all back", func() bool {
			s := told()
			return strings.Count(s, "-test.early") == 1 && strings.Count(s, "+test.early") == 2 && strings.Count(s, "+test.own") == 2
		})
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestSizes(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b *bench) {
		publish(t, b.dial(t), echo("test.echo"))
		c := b.dial(t)
		for _, n := range []int{0, 1, 65535, 65536, 300_000, 1_040_000} {
			got, err := c.Call(background, "test.echo", "size", map[string]int{"n": n})
			if err != nil || len(got.Text("s")) != n {
				t.Errorf("answer of %d: got %d, %v", n, len(got.Text("s")), err)
			}
			_, err = c.Call(background, "test.echo", "nothing", map[string]string{"s": strings.Repeat("x", n)})
			if err != nil {
				t.Errorf("question of %d: %v", n, err)
			}
		}
		if _, err := c.Call(background, "test.echo", "size", map[string]int{"n": 1 << 20}); !errors.Is(err, ubus.ErrNoMemory) {
			t.Errorf("answer of 1 MiB: %v", err)
		}
		if _, err := c.Call(background, "test.echo", "echo", map[string]string{"s": strings.Repeat("x", 1<<20)}); !errors.Is(err, ubus.ErrTooLarge) {
			t.Errorf("question of 1 MiB: %v", err)
		}
		if _, err := c.Call(background, "test.echo", "nothing", nil); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestHostile passes host names as clients choose them through `ubus call`.
func TestHostile(t *testing.T) {
	t.Parallel()
	names := []string{`"`, `\`, "\x00", "a\x00b", "\x01\x1f\x7f", "\n\t\r", "\xff\xfe", "caf\xe9", strings.Repeat("\xff", 255),
		strings.Repeat("x", 255), strings.Repeat(`"`, 255), "😀", "</script>"}
	everywhere(t, func(t *testing.T, b *bench) {
		o := ubus.Object{Path: "test.hostile", Methods: []ubus.Method{{Name: "hosts",
			Handler: func(context.Context, *ubus.Request) (any, error) { return map[string]any{"hosts": names}, nil }}}}
		publish(t, b.dial(t), o)
		var got struct{ Hosts []string }
		text := b.tool(t, "call", "test.hostile", "hosts")
		if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.Hosts) != len(names) {
			t.Fatalf("%v: %s", err, text)
		}
		reply, err := b.dial(t).Call(background, "test.hostile", "hosts", nil)
		if err != nil {
			t.Fatal(err)
		}
		if ours := string(reply.AppendJSONIndent(nil)) + "\n"; ours != text {
			t.Errorf("the tool prints %q, we %q", text, ours)
		}
	})
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b *bench) {
		server, c := b.dial(t), b.dial(t)
		for i := range 4 {
			publish(t, server, echo(fmt.Sprintf("test.%d", i)))
		}
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for n := range 50 {
					got, err := c.Call(background, fmt.Sprintf("test.%d", i%4), "echo", map[string]int{"n": n, "i": i})
					if err != nil || got.Int("n") != int64(n) || got.Int("i") != int64(i) {
						t.Errorf("%d %d: %v, %v", i, n, got, err)
						return
					}
				}
			}()
		}
		wg.Wait()
	})
}

func TestContext(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b *bench) {
		publish(t, b.dial(t), echo("test.echo"))
		c := b.dial(t)
		ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
		defer cancel()
		_, err := c.Call(ctx, "test.echo", "stall", nil)
		if !errors.Is(err, ubus.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("deadline: %v", err)
		}
		cancelled, cancel := context.WithCancel(background)
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, err := c.Call(cancelled, "test.echo", "stall", nil); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func TestMonitor(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b *bench) {
		publish(t, b.dial(t), echo("test.echo"))
		var got collector[ubus.MonitorMessage]
		m, err := b.dial(t).Monitor(background, got.add)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.dial(t).Call(background, "test.echo", "nothing", nil); err != nil {
			t.Fatal(err)
		}
		types := func(sent bool) map[int]bool {
			seen := make(map[int]bool)
			for _, msg := range got.all() {
				if msg.Missed != 0 {
					t.Errorf("missed %d", msg.Missed)
				}
				if msg.Sent == sent {
					seen[msg.Type] = true
				}
			}
			return seen
		}
		eventually(t, "lookup and call pass", func() bool {
			return reflect.DeepEqual(types(false), map[int]bool{1: true, 4: true, 5: true}) && types(true)[0] && types(true)[5]
		})
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		n := len(got.all())
		if _, err := b.dial(t).Call(background, "test.echo", "nothing", nil); err != nil {
			t.Fatal(err)
		}
		if now := len(got.all()); now > n+4 { // what was under way
			t.Errorf("%d messages after the end", now-n)
		}
	})
}
