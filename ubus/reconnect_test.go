// SPDX-License-Identifier: GPL-2.0-only

package ubus_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mezoura/mezoura/ubus"
)

// TestRestarts kills the broker 20 times under load. Each time everything is
// back within two seconds, and in the end nothing is left over.
func TestRestarts(t *testing.T) { // not parallel: it counts goroutines and descriptors
	for _, name := range []string{"broker", "ubusd"} {
		for _, transport := range ubus.Transports() {
			t.Run(transport+" to "+name, func(t *testing.T) {
				restarts(t, &bench{transport: transport, server: startServer(t, name)})
			})
		}
	}
}

func restarts(t *testing.T, b *bench) {
	warm, err := ubus.Dial(background, b.options()) // what stays for good is made by the first
	if err != nil {
		t.Fatal(err)
	}
	warm.Close()
	goroutines, descriptors := runtime.NumGoroutine(), countDescriptors(t)

	server, c := b.dial(t), b.dial(t)
	p := publish(t, server, echo("test.restart"))
	var events, notifications atomic.Int64
	s, err := c.Subscribe(background, "test.restart", func(ubus.Notification) { notifications.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Listen(background, "test.*", func(ubus.Event) { events.Add(1) }); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 4 {
		load.Add(1)
		go func() {
			defer load.Done()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := c.Call(background, "test.restart", "echo", map[string]string{"s": strings.Repeat("x", 2000)}); err != nil {
					time.Sleep(time.Millisecond)
				}
				_ = p.Notify(background, "tick", nil)
			}
		}()
	}
	var worst time.Duration
	for range 20 {
		time.Sleep(20 * time.Millisecond)
		b.server.stop(t)
		time.Sleep(20 * time.Millisecond)
		b.server.start(t)
		began := time.Now()
		was := notifications.Load()
		eventually(t, "everything is back", func() bool {
			_, err := c.Call(background, "test.restart", "nothing", nil)
			return err == nil && s.Active() && notifications.Load() > was
		})
		worst = max(worst, time.Since(began))
	}
	if worst > 2*time.Second {
		t.Errorf("back after %v only", worst)
	}
	t.Logf("back after %v at most", worst)
	eventually(t, "events arrive", func() bool {
		_ = server.Send(background, "test.event", nil)
		return events.Load() > 0
	})
	close(stop)
	load.Wait()
	if err := errors.Join(server.Close(), c.Close(), c.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Call(background, "test.restart", "nothing", nil); !errors.Is(err, ubus.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines })
	if now := countDescriptors(t); now > descriptors {
		t.Errorf("%d descriptors, %d before", now, descriptors)
	}
}

func countDescriptors(t testing.TB) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// TestInFlight wants an error at once from calls under way when the broker dies.
func TestInFlight(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b *bench) {
		publish(t, b.dial(t), echo("test.echo"))
		c := b.dial(t)
		failed := make(chan error, 8)
		for range cap(failed) {
			go func() {
				_, err := c.Call(background, "test.echo", "stall", nil)
				failed <- err
			}()
		}
		time.Sleep(50 * time.Millisecond)
		b.server.stop(t)
		began := time.Now()
		for range cap(failed) {
			if err := <-failed; !errors.Is(err, ubus.ErrDisconnected) {
				t.Errorf("got %v", err)
			}
		}
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if _, err := c.Call(background, "test.echo", "nothing", nil); !errors.Is(err, ubus.ErrConnectionFailed) {
			t.Errorf("without a broker: %v", err)
		}
	})
}

// TestCloseAtOnce closes connections that have just been made: nothing of them stays.
func TestCloseAtOnce(t *testing.T) { // not parallel: it counts goroutines and descriptors
	for _, name := range []string{"broker", "ubusd"} {
		for _, transport := range ubus.Transports() {
			t.Run(transport+" to "+name, func(t *testing.T) {
				b := &bench{transport: transport, server: startServer(t, name)}
				var goroutines, descriptors int
				for i := range 300 {
					c, err := ubus.Dial(background, b.options())
					if err != nil {
						t.Fatal(err)
					}
					if err := c.Close(); err != nil {
						t.Fatal(err)
					}
					if i == 0 { // what stays for good is made by the first
						goroutines, descriptors = runtime.NumGoroutine(), countDescriptors(t)
					}
				}
				eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines })
				eventually(t, "descriptors are closed", func() bool { return countDescriptors(t) <= descriptors })
			})
		}
	}
}

// TestLazy starts without a broker: one word, growing pauses, and everything
// is there when it comes.
func TestLazy(t *testing.T) {
	t.Parallel()
	for _, transport := range ubus.Transports() {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := &ours{path: filepath.Join(shortDir(t), "s")}
			var changes collector[error]
			opt := ubus.Options{Socket: s.path, Transport: transport, Changed: changes.add}
			if _, err := ubus.Dial(background, opt); err == nil {
				t.Fatal("no broker, no error")
			}
			opt.Lazy = true
			c := dial(t, opt)
			p := publish(t, c, echo("test.lazy"))
			if err := p.Notify(background, "x", nil); !errors.Is(err, ubus.ErrDisconnected) {
				t.Errorf("notify: %v", err)
			}
			time.Sleep(300 * time.Millisecond)
			if got := changes.all(); len(got) != 1 || got[0] == nil {
				t.Errorf("told %v", got)
			}
			s.start(t)
			t.Cleanup(func() { s.stop(t) })
			eventually(t, "connected", func() bool { got := changes.all(); return len(got) == 2 && got[1] == nil })
			if _, err := c.Call(background, "test.lazy", "nothing", nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRefused publishes a path that another has: told, and taken when it is free.
func TestRefused(t *testing.T) {
	t.Parallel()
	b := &bench{transport: "wire", server: startServer(t, "broker")}
	var changes collector[error]
	opt := b.options()
	opt.Changed = changes.add
	first, second := b.dial(t), dial(t, opt)
	taken := publish(t, first, echo("test.a"))
	_ = publish(t, second, echo("test.b"))
	b.server.stop(t)
	eventually(t, "both notice", func() bool { return !first.Connected() && !second.Connected() })
	publish(t, second, echo("test.a")) // accepted while there is no broker
	b.server.start(t)
	eventually(t, "second is up", func() bool { return len(changes.all()) >= 3 })
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "test.a is the second's", func() bool {
		_, err := second.Call(background, "test.a", "nothing", nil)
		got := changes.all()
		return err == nil && got[len(got)-1] == nil
	})
}

func TestTransportNames(t *testing.T) {
	t.Parallel()
	if _, err := ubus.Dial(background, ubus.Options{Transport: "pigeon", Lazy: true}); err == nil {
		t.Error("no such transport, no error")
	}
}
