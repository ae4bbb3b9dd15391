// SPDX-License-Identifier: GPL-2.0-only

package fleet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tool is one of Debian's programs, or the reason the test is skipped.
func tool(t *testing.T, name, from string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		unable(t, "%v: install %s", err, from)
	}
	return path
}

func check(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(tool(t, name, "prometheus"), args...)
	cmd.Dir = "prometheus"
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %v: %v\n%s", name, args, err, output)
	}
}

// prometheus is a real one with this package's configuration, in a hurry.
type prometheus struct {
	t   *testing.T
	url string
}

// startPrometheus scrapes the targets, name by address, and the node exporters
// likewise, every half second.
func startPrometheus(t *testing.T, routers, nodes map[string]string) prometheus {
	t.Helper()
	program := tool(t, "prometheus", "prometheus")
	dir := t.TempDir()
	for _, name := range []string{"prometheus.yml", "rules.yml"} {
		text, err := os.ReadFile(filepath.Join("prometheus", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, interval := range []string{"scrape_interval: 15s", "evaluation_interval: 15s", "interval: 1h"} {
			label, _, _ := strings.Cut(interval, ":")
			text = bytes.ReplaceAll(text, []byte(" "+interval), []byte(" "+label+": 500ms"))
		}
		text = bytes.ReplaceAll(text, []byte("[5m]"), []byte("[5s]"))
		write(t, filepath.Join(dir, name), string(text))
	}
	list := func(targets map[string]string) string {
		text := "[]\n"
		for name, address := range targets {
			text = strings.TrimPrefix(text, "[]\n") + fmt.Sprintf("- targets: ['%s']\n  labels: {router: %s}\n", address, name)
		}
		return text
	}
	write(t, filepath.Join(dir, "routers.yml"), list(routers))
	write(t, filepath.Join(dir, "nodes.yml"), list(nodes))

	address := freeAddress(t)
	start(t, program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn")
	p := prometheus{t, "http://" + address}
	await(t, 30*time.Second, "prometheus to be ready", func() bool {
		reply, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		reply.Body.Close()
		return reply.StatusCode == http.StatusOK
	})
	return p
}

// start runs a program until the test ends, and shows what it said if that failed.
func start(t *testing.T, program string, args ...string) {
	t.Helper()
	var output bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(program), &output)
		}
	})
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func await(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", limit, what)
		}
	}
}

// sample is one series of an instant vector.
type sample struct {
	Labels map[string]string
	Value  float64
}

// query evaluates an expression now.
func (p prometheus) query(expr string) ([]sample, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/v1/query?query="+url.QueryEscape(expr), nil)
	if err != nil {
		return nil, err
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	var body struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(reply.Body).Decode(&body); err != nil {
		return nil, err
	}
	if body.Status != "success" {
		return nil, fmt.Errorf("%s: %s", expr, body.Error)
	}
	var list []sample
	for _, r := range body.Data.Result {
		text, _ := r.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		list = append(list, sample{r.Metric, value})
	}
	return list, nil
}

func (p prometheus) mustQuery(expr string) []sample {
	p.t.Helper()
	list, err := p.query(expr)
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

// one is the value of an expression that has exactly one.
func (p prometheus) one(expr string) float64 {
	p.t.Helper()
	list := p.mustQuery(expr)
	if len(list) != 1 {
		p.t.Fatalf("%s: %v, want one value", expr, list)
	}
	return list[0].Value
}

// unable skips a test that this machine cannot run, or fails it where nothing may
// be skipped.
func unable(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("MEZOURA_REQUIRE_ROOT") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
