// SPDX-License-Identifier: GPL-2.0-only

package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultPort is the port of the original's exporter.
const DefaultPort = 9999

// Bounds of the server: a few megabytes at the most.
const (
	maxConns  = 64
	maxShare  = 16
	maxHosts  = 32 << 10
	maxHeader = 8 << 10
	maxQueue  = 256
)

// Timeouts of the server, which tests shorten.
type Timeouts struct {
	Header   time.Duration // from the connection to the end of the request's header
	Write    time.Duration // for one buffer of the reply, so that a slow line is no crime
	Total    time.Duration // for a whole reply: a slow reader holds on to an old Snapshot
	Idle     time.Duration // between two requests
	Patience time.Duration // with whoever keeps us waiting while others want its place
}

func (t *Timeouts) defaults() {
	for _, d := range []struct {
		timeout *time.Duration
		value   time.Duration
	}{
		{&t.Header, 5 * time.Second}, {&t.Write, 5 * time.Second}, {&t.Total, 30 * time.Second},
		{&t.Idle, 75 * time.Second}, {&t.Patience, 250 * time.Millisecond},
	} {
		if *d.timeout <= 0 {
			*d.timeout = d.value
		}
	}
}

// Server is the HTTP exporter.
type Server struct {
	listener net.Listener
	places   *places
	http     http.Server
	timeouts Timeouts
	metrics  *Metrics
}

// connKey is under which the context of a request has its *conn.
type connKey struct{}

// Listen binds the address ("host:port"; ":9999" is all of them) at once, so
// that one that is in use is an error here. Serve serves.
func Listen(address string, m *Metrics, t Timeouts) (*Server, error) {
	t.defaults()
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("start exporter: %w", err)
	}
	if err := shorten(l); err != nil {
		return nil, errors.Join(fmt.Errorf("start exporter: %w", err), l.Close())
	}
	p := newPlaces(maxConns, maxShare, t.Patience, maxHosts)
	s := &Server{
		listener: &limited{Listener: l, places: p, abandon: t.Total},
		places:   p,
		timeouts: t,
		metrics:  m,
	}
	s.http = http.Server{
		Handler:           s,
		ReadHeaderTimeout: t.Header,
		ReadTimeout:       t.Header,
		WriteTimeout:      t.Total,
		IdleTimeout:       t.Idle,
		MaxHeaderBytes:    maxHeader,
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		// What a client does wrong is nobody's concern on a router, and would fill its log.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	s.http.SetKeepAlivesEnabled(true)
	return s, nil
}

// shorten shortens the kernel's queue of newcomers, which is thousands otherwise.
func shorten(l net.Listener) error {
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.Listen(int(fd), maxQueue) }); err != nil {
		return err
	}
	return failed
}

// Addr is the address the server is bound to.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve serves until Close, and then returns nil.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}

// Close ends the server and every connection of it. It may be called again.
func (s *Server) Close() error {
	err := s.http.Close()
	if closed := s.listener.Close(); err == nil && !errors.Is(closed, net.ErrClosed) {
		err = closed // never served
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close exporter: %w", err)
	}
	return nil
}

const index = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>mezoura</title></head>
<body><h1>mezoura</h1><p>Traffic of each host on this network, for Prometheus: <a href="/metrics">/metrics</a></p></body></html>
`

// ServeHTTP serves /metrics, and / to whoever comes with a browser.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok {
		c = &conn{places: s.places} // called by hand
	}
	c.begin()
	defer c.end()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch r.URL.Path {
	case "/":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, index)
	case "/metrics":
		s.scrape(w, r, c)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) scrape(w http.ResponseWriter, r *http.Request, c *conn) {
	snapshot := s.metrics.current()
	if snapshot == nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, ErrNothing.Error(), http.StatusServiceUnavailable)
		return
	}
	format := negotiate(r.Header.Values("Accept"))
	w.Header().Set("Content-Type", format.ContentType())
	w.Header().Set("Vary", "Accept")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	c.hold(snapshot)
	// The header is on its way with the first bytes: on an error there is
	// nothing to be done but to end the connection in the middle, which is what the
	// scraper takes for a failure.
	reply := &reply{ResponseWriter: w, control: http.NewResponseController(w), each: s.timeouts.Write, end: time.Now().Add(s.timeouts.Total)}
	if s.metrics.write(reply, format, snapshot) != nil {
		c.forget()
		panic(http.ErrAbortHandler)
	}
}

// reply gives every buffer a deadline of its own within that of the whole.
type reply struct {
	http.ResponseWriter
	control *http.ResponseController
	each    time.Duration
	end     time.Time
}

func (r *reply) Write(p []byte) (int, error) {
	deadline := time.Now().Add(r.each)
	if deadline.After(r.end) {
		deadline = r.end
	}
	if err := r.control.SetWriteDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return r.ResponseWriter.Write(p)
}
