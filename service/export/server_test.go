// SPDX-License-Identifier: GPL-2.0-only

package export_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
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
	reply, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(r)
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

// ask sends a request and leaves it at that.
func ask(t *testing.T, c net.Conn, request string) {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
}

const scrape = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

// hungUp waits until the other end of a connection is gone, and returns how
// much came before. A whole reply must not have come.
func hungUp(t *testing.T, c net.Conn, within time.Duration) int {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(within))
	got, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("still connected after %v", within)
	}
	if strings.HasSuffix(string(got), "\r\n0\r\n\r\n") {
		t.Error("a reply that breaks off ends like a whole one")
	}
	return len(got)
}

// TestSlowReaders lets clients take all places with requests for a long reply
// of which they read nothing.
func TestSlowReaders(t *testing.T) {
	s := fleet(10_000) // some 20 MB, which no socket swallows
	address := serve(t, always(s), export.Timeouts{Write: time.Second, Total: time.Minute})
	var slow []net.Conn
	for i := range 100 {
		c := dial(t, byte(2+i%10), address)
		ask(t, c, scrape)
		slow = append(slow, c)
	}
	time.Sleep(500 * time.Millisecond) // all places are taken, by whoever was last
	start := time.Now()
	for range 3 {
		reply, body := get(t, 50, "GET", "http://"+address+"/metrics", "")
		if reply.StatusCode != 200 || !strings.HasSuffix(body, "} 1\n") {
			t.Errorf("beside slow readers: %d, %d bytes", reply.StatusCode, len(body))
		}
	}
	if took := time.Since(start); took > 30*time.Second { // less than one, but for a busy machine and the race detector
		t.Errorf("three scrapes beside slow readers took %v", took)
	}
	time.Sleep(1500 * time.Millisecond) // they have been let go by now
	for _, c := range slow {
		hungUp(t, c, 5*time.Second)
	}
}

// TestSlowReaderAlone wants patience with a slow line while there is room.
func TestSlowReaderAlone(t *testing.T) {
	s := fleet(1000)
	want := write(t, s, true, export.Text)
	address := serve(t, always(s), export.Timeouts{Patience: time.Millisecond})
	c := dial(t, 2, address)
	ask(t, c, "GET /metrics HTTP/1.0\r\n\r\n")
	var got strings.Builder
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		_, err := io.CopyN(&got, c, 16<<10)
		if err == io.EOF {
			t.Logf("%d bytes in %v", got.Len(), time.Since(start))
			break
		}
		if err != nil {
			t.Fatalf("after %d bytes: %v", got.Len(), err)
		}
	}
	if _, body, _ := strings.Cut(got.String(), "\r\n\r\n"); body != want {
		t.Errorf("%d bytes, want %d", len(body), len(want))
	}
}

// TestOldSnapshots has slow readers each begin with a Snapshot of its own: only
// so many are kept for them.
func TestOldSnapshots(t *testing.T) {
	const hosts = 12_000
	template := fleet(hosts)
	var alive atomic.Int64
	current := func() *account.Snapshot {
		s := *template
		s.Time = time.Now()
		alive.Add(1)
		runtime.SetFinalizer(&s, func(*account.Snapshot) { alive.Add(-1) })
		return &s
	}
	address := serve(t, current, export.Timeouts{})
	for range 20 {
		ask(t, dial(t, 2, address), scrape)
		time.Sleep(10 * time.Millisecond)
	}
	most := int64(0)
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		runtime.GC()
		if most = alive.Load(); most <= 2 {
			break
		}
	}
	if most == 0 || most > 2 {
		t.Errorf("%d snapshots of %d hosts are held", most, hosts)
	}
	if reply, body := get(t, 3, "GET", "http://"+address+"/metrics", ""); reply.StatusCode != 200 || !strings.HasSuffix(body, "} 1\n") {
		t.Errorf("beside old snapshots: %d, %d bytes", reply.StatusCode, len(body))
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

// TestManyClients has 200 clients scrape at once, from one address and from
// 200 of them: all are answered.
func TestManyClients(t *testing.T) {
	s := fleet(250)
	want := write(t, s, true, export.Text)
	// A busy machine may let a client of ours wait; a LAN does not.
	address := serve(t, always(s), export.Timeouts{Patience: time.Minute, Write: time.Minute, Total: time.Minute})
	for _, addresses := range []int{1, 200} {
		var clients sync.WaitGroup
		for i := range 200 {
			clients.Add(1)
			go func() {
				defer clients.Done()
				c, err := (&net.Dialer{LocalAddr: local(byte(2 + i%addresses)), Timeout: time.Minute}).Dial("tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(time.Minute))
				io.WriteString(c, "GET /metrics HTTP/1.0\r\n\r\n")
				got, err := io.ReadAll(c)
				if _, body, _ := strings.Cut(string(got), "\r\n\r\n"); err != nil || body != want {
					t.Errorf("%d bytes, want %d; %v", len(body), len(want), err)
				}
			}()
		}
		clients.Wait()
	}
}

// TestGreedyClient takes every place, and goes on trying, from one address. One
// who has a place and uses it now and then, from another one, keeps it.
func TestGreedyClient(t *testing.T) {
	address := serve(t, always(readme()), export.Timeouts{Header: time.Minute})
	modest := dial(t, 3, address)
	answers := bufio.NewReader(modest)
	for range 3 {
		for range 70 {
			dial(t, 2, address)
		}
		time.Sleep(400 * time.Millisecond)
		modest.SetDeadline(time.Now().Add(5 * time.Second))
		ask(t, modest, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
		reply, err := http.ReadResponse(answers, &http.Request{Method: "HEAD"})
		if err != nil || reply.StatusCode != 200 {
			t.Fatalf("the modest one: %v", err)
		}
	}
}

// TestEndlessRequests sends what has no end: it is cut off soon, whether it
// comes in lines, in one, or behind the request.
func TestEndlessRequests(t *testing.T) {
	address := serve(t, always(readme()), export.Timeouts{Header: time.Second})
	for name, c := range map[string]struct{ begin, repeat, status string }{
		"header lines": {"GET /metrics HTTP/1.1\r\nHost: x\r\n", "X: y\r\n", " 431 "},
		"one header":   {"GET /metrics HTTP/1.1\r\nHost: x\r\nX: ", "yyyyyyyy", " 431 "},
		"request line": {"GET /", "yyyyyyyy", " 431 "},
		"body":         {"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n", "yyyyyyyy", " 405 "},
		"chunk":        {"GET /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\ny\r\n", " 404 "},
	} {
		conn := dial(t, 2, address)
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		ask(t, conn, c.begin)
		status := make(chan string, 1)
		go func() {
			line, _ := bufio.NewReader(conn).ReadString('\n')
			status <- line
		}()
		sent, block := 0, []byte(strings.Repeat(c.repeat, 1000))
		for {
			n, err := conn.Write(block)
			sent += n
			if err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: still taken after %d bytes", name, sent)
				}
				break
			}
			if sent > 64<<20 {
				t.Errorf("%s: %d bytes were taken", name, sent)
				break
			}
		}
		// The answer may be lost with what came behind the request.
		if line := <-status; line != "" && !strings.Contains(line, c.status) {
			t.Errorf("%s: %q", name, line)
		}
	}
}

// TestPipelined asks a thousand times at once.
func TestPipelined(t *testing.T) {
	address := serve(t, always(readme()), export.Timeouts{})
	c := dial(t, 2, address)
	c.SetDeadline(time.Now().Add(20 * time.Second))
	go io.WriteString(c, strings.Repeat(scrape, 1000))
	r := bufio.NewReader(c)
	want := write(t, readme(), true, export.Text)
	for i := range 1000 {
		reply, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("reply %d: %v", i, err)
		}
		body, err := io.ReadAll(reply.Body)
		if err != nil || string(body) != want {
			t.Fatalf("reply %d: %d bytes, %v", i, len(body), err)
		}
	}
}

// TestCloseWhileFull closes the server while somebody waits for a place.
func TestCloseWhileFull(t *testing.T) {
	s, err := export.Listen("127.0.0.1:0", metrics(readme()), export.Timeouts{Patience: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	for range 80 {
		dial(t, 2, s.Addr().String())
	}
	time.Sleep(50 * time.Millisecond)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("still serving")
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
