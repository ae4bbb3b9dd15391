// SPDX-License-Identifier: GPL-2.0-only

// Command bridge lets the browser tests talk to the real daemon: it makes a home in the lab, runs mezoura there, and
// answers lines of JSON on its standard input from the daemon's ubus object.
//
// One request a line, answered in any order: {"id":1,"method":"stats","args":{}} calls the object and is answered by
// {"id":1,"status":0,"reply":{...}}, status being ubus'; {"id":2,"do":"stop"} does something to the lab: start, stop
// (the daemon), traffic (for seconds) and ask (the command line's `stats -json`). Everything ends with the input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mezoura/mezoura/service/lab"
	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/blobmsg"
)

type request struct {
	ID      int             `json:"id"`
	Method  string          `json:"method"`
	Args    json.RawMessage `json:"args"`
	Do      string          `json:"do"`
	Seconds float64         `json:"seconds"`
}

type reply struct {
	ID     int             `json:"id"`
	Status int             `json:"status"`
	Reply  json.RawMessage `json:"reply,omitempty"`
	Error  string          `json:"error,omitempty"`
}

func main() {
	binary := flag.String("mezoura", "build/mezoura", "the daemon's binary")
	names := flag.String("names", "", "JSON array: the hosts' names, as they come from the DHCP server")
	flag.Parse()
	if err := run(*binary, *names); err != nil {
		fmt.Fprintln(os.Stderr, "bridge:", err)
		os.Exit(1)
	}
}

func run(binary, names string) error {
	var list []string
	if err := json.Unmarshal([]byte(names), &list); err != nil {
		return fmt.Errorf("read names: %w", err)
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	l, err := lab.Open()
	if err != nil {
		return err
	}
	defer l.Close()
	b, err := newBridge(l, binary, list)
	if err != nil {
		return err
	}
	if err := b.start(); err != nil {
		return err
	}
	defer b.stop()
	return b.serve()
}

// bridge is one home and its daemon. Requests run at the same time; only start and stop touch daemon and conn.
type bridge struct {
	home  *lab.Home
	setup *lab.Setup

	mu     sync.Mutex
	daemon *lab.Daemon
	conn   *ubus.Conn

	out sync.Mutex
}

func newBridge(l *lab.Lab, binary string, names []string) (*bridge, error) {
	home, err := l.Home(len(names))
	if err != nil {
		return nil, err
	}
	setup, err := home.Setup(binary, home.Router.Namespace, home.Flags()...)
	if err != nil {
		return nil, err
	}
	var leases strings.Builder
	for i, h := range home.Hosts {
		fmt.Fprintf(&leases, "%d %s %s %s *\n", time.Now().Add(time.Hour).Unix(), h.MAC, h.Addr(lab.IPv4), names[i])
	}
	path := filepath.Join(setup.Config, "..", "leases")
	if err := os.WriteFile(path, []byte(leases.String()), 0o644); err != nil {
		return nil, fmt.Errorf("write leases: %w", err)
	}
	setup.Args = append(setup.Args, "-leases", path)
	return &bridge{home: home, setup: setup}, nil
}

func (b *bridge) start() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.daemon != nil {
		return errors.New("it runs already")
	}
	daemon, err := b.home.Start(b.setup)
	if err != nil {
		return err
	}
	b.daemon = daemon
	if err := daemon.Ready(context.Background(), b.home.Attached...); err != nil {
		return err
	}
	b.conn, err = ubus.Dial(context.Background(), ubus.Options{Socket: b.setup.Ubus})
	return err
}

func (b *bridge) stop() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.daemon == nil {
		return nil
	}
	if b.conn != nil {
		_ = b.conn.Close()
	}
	err := b.daemon.Terminate()
	b.daemon, b.conn = nil, nil
	return err
}

// serve answers the input's lines until it ends.
func (b *bridge) serve() error {
	b.say(reply{Reply: json.RawMessage(`{"ready":true}`)})
	var pending sync.WaitGroup
	defer pending.Wait()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		pending.Add(1)
		go func() {
			defer pending.Done()
			b.say(b.answer(r))
		}()
	}
	return lines.Err()
}

func (b *bridge) say(r reply) {
	b.out.Lock()
	defer b.out.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(r)
}

func (b *bridge) answer(r request) reply {
	if r.Do == "" {
		return b.call(r)
	}
	var err error
	out := reply{ID: r.ID}
	switch r.Do {
	case "start":
		err = b.start()
	case "stop":
		err = b.stop()
	case "traffic":
		err = b.traffic(time.Duration(r.Seconds * float64(time.Second)))
	case "ask":
		var text string
		text, err = b.setup.Ask("stats", "-json")
		out.Reply = json.RawMessage(text)
	default:
		err = fmt.Errorf("do %q: not known", r.Do)
	}
	if err != nil {
		return reply{ID: r.ID, Status: -1, Error: err.Error()}
	}
	return out
}

// call calls the object. A daemon that is not there is status 4, not found, as it is for uhttpd.
func (b *bridge) call(r request) reply {
	b.mu.Lock()
	conn := b.conn
	b.mu.Unlock()
	if conn == nil {
		return reply{ID: r.ID, Status: int(ubus.ErrNotFound)}
	}
	args, err := blobmsg.ParseJSON(r.Args)
	if err != nil {
		return reply{ID: r.ID, Status: int(ubus.ErrInvalidArgument), Error: err.Error()}
	}
	table, err := conn.Call(context.Background(), "mezoura", r.Method, args)
	if err != nil {
		status := ubus.ErrNotFound
		errors.As(err, &status)
		return reply{ID: r.ID, Status: int(status), Error: err.Error()}
	}
	return reply{ID: r.ID, Reply: table.AppendJSON(nil)}
}

// traffic lets each host exchange data with the internet, the first the most.
func (b *bridge) traffic(d time.Duration) error {
	stop := make(chan struct{})
	time.AfterFunc(d, func() { close(stop) })
	results := make(chan error)
	n := 0
	for i, h := range b.home.Hosts {
		for _, f := range []lab.Family{lab.IPv4, lab.IPv6} {
			s := lab.Stream{
				Client: h.Namespace, From: h.Addr(f), Server: b.home.Internet.Namespace, Listen: b.home.Internet.Addr(f),
				Upload: lab.Until, Download: lab.Until, Stop: stop, Pause: time.Duration(20*(i+1)*(i+1)) * time.Millisecond,
			}
			n++
			go func() {
				_, _, err := s.Run(context.Background())
				results <- err
			}()
		}
	}
	var err error
	for range n {
		err = errors.Join(err, <-results)
	}
	return err
}
