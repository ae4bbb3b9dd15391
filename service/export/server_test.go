// SPDX-License-Identifier: GPL-2.0-only

package export_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/export"
)

// serve starts an exporter on a port of its own.
func serve(t *testing.T, current func() *account.Snapshot, timeouts export.Timeouts) (address string) {
	t.Helper()
	s, err := export.Listen("127.0.0.1:0", export.New(current, true), timeouts)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	t.Cleanup(func() {
		for range 2 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s.Addr().String()
}

func always(s *account.Snapshot) func() *account.Snapshot {
	return func() *account.Snapshot { return s }
}

// get makes one request from 127.0.0.<from>.
func get(t *testing.T, from byte, method, url, accept string) (*http.Response, string) {
	t.Helper()
	transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: local(from)}).DialContext, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	reply, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply, string(body)
}

func local(from byte) *net.TCPAddr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, from)} }

// What Prometheus 2.5x and 3 ask for.
const (
	prometheus2 = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
	prometheus3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)

func TestServer(t *testing.T) {
	s := readme()
	url := "http://" + serve(t, always(s), export.Timeouts{})
	const text, open = "text/plain; version=0.0.4; charset=utf-8", "application/openmetrics-text; version=1.0.0; charset=utf-8"
	for _, c := range []struct {
		method, path, accept string
		status               int
		contentType, body    string
	}{
		{"GET", "/metrics", "", 200, text, write(t, s, true, export.Text)},
		{"HEAD", "/metrics", "", 200, text, ""},
		{"GET", "/metrics?x=y", "*/*", 200, text, write(t, s, true, export.Text)},
		{"GET", "/metrics", prometheus2, 200, open, write(t, s, true, export.OpenMetrics)},
		{"GET", "/metrics", prometheus3, 200, open, write(t, s, true, export.OpenMetrics)},
		{"GET", "/metrics", "Application/OpenMetrics-Text", 200, open, write(t, s, true, export.OpenMetrics)},
		{"GET", "/metrics", `application/openmetrics-text; version="1.0.0"`, 200, open, write(t, s, true, export.OpenMetrics)},
		{"GET", "/metrics", "application/openmetrics-text;q=0.1,text/plain;q=0.5", 200, text, write(t, s, true, export.Text)},
		{"GET", "/metrics", "application/openmetrics-text;version=2.0.0", 200, text, write(t, s, true, export.Text)},
		{"GET", "/metrics", "application/openmetrics-text;q=0", 200, text, write(t, s, true, export.Text)},
		{"GET", "/metrics", "application/openmetrics-text;q=NaN,,;;=", 200, text, write(t, s, true, export.Text)},
		{"GET", "/metrics", "application/openmetrics-text;q=x", 200, text, write(t, s, true, export.Text)},
		{"GET", "/nothing", "", 404, "text/plain; charset=utf-8", "404 page not found\n"},
		{"GET", "/metrics/", "", 404, "text/plain; charset=utf-8", "404 page not found\n"},
		{"POST", "/metrics", "", 405, "text/plain; charset=utf-8", "method not allowed\n"},
		{"GET", "/", "", 200, "text/html; charset=utf-8", ""},
	} {
		reply, body := get(t, 1, c.method, url+c.path, c.accept)
		if reply.StatusCode != c.status || reply.Header.Get("Content-Type") != c.contentType {
			t.Errorf("%s %s, Accept %q: %d, %q", c.method, c.path, c.accept, reply.StatusCode, reply.Header.Get("Content-Type"))
		}
		if c.path == "/" {
			if !strings.Contains(body, `<a href="/metrics">`) {
				t.Errorf("index: %s", body)
			}
		} else if body != c.body {
			t.Errorf("%s %s, Accept %q: got\n%s\nwant\n%s", c.method, c.path, c.accept, body, c.body)
		}
	}
}

func TestServerBeforeTheFirstSnapshot(t *testing.T) {
	reply, body := get(t, 1, "GET", "http://"+serve(t, always(nil), export.Timeouts{})+"/metrics", "")
	if reply.StatusCode != 503 || reply.Header.Get("Retry-After") == "" || body != "nothing counted yet\n" {
		t.Errorf("%d %v %q", reply.StatusCode, reply.Header, body)
	}
}

func TestListenFails(t *testing.T) {
	address := serve(t, always(readme()), export.Timeouts{})
	_, err := export.Listen(address, metrics(readme()), export.Timeouts{})
	if err == nil || !strings.HasPrefix(err.Error(), "start exporter: ") || !strings.Contains(err.Error(), address) {
		t.Errorf("%v", err)
	}
}

func TestCloseUnserved(t *testing.T) {
	s, err := export.Listen("127.0.0.1:0", metrics(readme()), export.Timeouts{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
		c.Close()
		t.Error("still listening")
	}
}

func dial(t *testing.T, from byte, address string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: local(from), Timeout: 5 * time.Second}).Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestSlowReaders lets one client take all it can get of a long reply, and read
// none of it, while another scrapes.
func TestSlowReaders(t *testing.T) {
	s := fleet(20_000) // some 40 MB, which no socket swallows
	var scrapes atomic.Int64
	current := func() *account.Snapshot { scrapes.Add(1); return s }
	address := serve(t, current, export.Timeouts{Write: 500 * time.Millisecond, Total: 3 * time.Second, Busy: 50 * time.Millisecond})
	var slow []net.Conn
	for range 10 {
		c := dial(t, 2, address)
		if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, c)
	}
	// Its share is four; the others hear that at once.
	busy := 0
	var served []net.Conn
	for _, c := range slow {
		c.SetReadDeadline(time.Now().Add(2 * time.Second))
		head := make([]byte, 12)
		if _, err := io.ReadFull(c, head); err != nil {
			t.Fatal(err)
		}
		if string(head) == "HTTP/1.1 503" {
			busy++
		} else {
			served = append(served, c)
		}
	}
	if busy < 6 {
		t.Errorf("%d of 10 slow scrapes refused, want at least 6", busy)
	}
	before := scrapes.Load()
	reply, body := get(t, 3, "GET", "http://"+address+"/metrics", "")
	if reply.StatusCode != 200 || !strings.HasSuffix(body, "} 1\n") {
		t.Errorf("beside slow readers: %d, %d bytes", reply.StatusCode, len(body))
	}
	if scrapes.Load() != before+1 {
		t.Errorf("%d scrapes, want 1", scrapes.Load()-before)
	}
	// The slow ones are let go, and their share is free again.
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		reply, _ := get(t, 2, "GET", "http://"+address+"/metrics", "")
		if reply.StatusCode == 200 {
			break
		}
		if time.Since(start) > 5*time.Second {
			t.Fatalf("after the slow readers: %d", reply.StatusCode)
		}
	}
	// What they were sent breaks off: no scraper takes it for the whole.
	for _, c := range served {
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if rest, err := io.ReadAll(c); err == nil && len(rest) > 1<<20 && strings.HasSuffix(string(rest), "\r\n0\r\n\r\n") {
			t.Error("a reply that broke off ends like a whole one")
		}
	}
}

// TestHalfOpen lets one client open all the connections it can and say nothing.
func TestHalfOpen(t *testing.T) {
	address := serve(t, always(readme()), export.Timeouts{Header: 400 * time.Millisecond})
	var all []net.Conn
	for i := range 100 {
		c := dial(t, 2, address)
		if i%2 == 0 {
			io.WriteString(c, "GET /metrics HT")
		}
		all = append(all, c)
	}
	if reply, _ := get(t, 3, "GET", "http://"+address+"/metrics", ""); reply.StatusCode != 200 {
		t.Errorf("beside half-open connections: %d", reply.StatusCode)
	}
	start := time.Now()
	for _, c := range all {
		c.SetReadDeadline(start.Add(3 * time.Second))
		io.Copy(io.Discard, c) // until it is hung up
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("half-open connections live %v", took)
	}
	if reply, _ := get(t, 2, "GET", "http://"+address+"/metrics", ""); reply.StatusCode != 200 {
		t.Errorf("after half-open connections: %d", reply.StatusCode)
	}
	// A header without end is cut off.
	c := dial(t, 4, address)
	fmt.Fprintf(c, "GET /metrics HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", 64<<10))
	if status, err := bufio.NewReader(c).ReadString('\n'); err == nil && !strings.Contains(status, "431") {
		t.Errorf("header of 64 KiB: %q", status)
	}
}

// TestManyClients uses up every connection from many addresses: whoever is too
// much is hung up on, and the places come back.
func TestManyClients(t *testing.T) {
	address := serve(t, always(readme()), export.Timeouts{Header: 300 * time.Millisecond})
	for i := range 120 {
		dial(t, byte(10+i/8), address)
	}
	time.Sleep(600 * time.Millisecond)
	if reply, _ := get(t, 3, "GET", "http://"+address+"/metrics", ""); reply.StatusCode != 200 {
		t.Errorf("after many clients: %d", reply.StatusCode)
	}
}

func TestKeepAlive(t *testing.T) {
	address := serve(t, always(readme()), export.Timeouts{})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	var dials atomic.Int64
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	for range 3 {
		reply, err := (&http.Client{Transport: transport}).Get("http://" + address + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, reply.Body)
		reply.Body.Close()
	}
	if dials.Load() != 1 {
		t.Errorf("%d connections for three scrapes", dials.Load())
	}
}
