// SPDX-License-Identifier: GPL-2.0-only

package cli_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/cli"
	"github.com/mezoura/mezoura/ubus"
)

var ctx = context.Background()

// printed is what a command printed.
func printed(t *testing.T, run func(out *bytes.Buffer) error) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func tableOf(t *testing.T, h *home, host string, wide int) string {
	t.Helper()
	return printed(t, func(out *bytes.Buffer) error { return cli.Table(ctx, h, out, host, "", wide) })
}

func TestTable(t *testing.T) {
	for _, wide := range []int{0, 40, 60, 80, 100, 132} {
		golden(t, fmt.Sprintf("stats-%d.txt", wide), tableOf(t, newHome(family()), "", wide))
	}
	golden(t, "stats-host.txt", tableOf(t, newHome(family()), "laptop", 0))
	golden(t, "stats-host-40.txt", tableOf(t, newHome(family()), "3e:00:00:00:00:05", 40))
	golden(t, "stats-none.txt", tableOf(t, newHome(&account.Snapshot{Time: epoch, Started: epoch.Add(-90 * time.Second)}), "", 0))
}

// TestTableRows holds any table to what makes it one: as many lines as hosts, a title and totals; none wider than the
// terminal; numbers aligned on the right; nothing but printable characters.
func TestTableRows(t *testing.T) {
	for name, s := range map[string]*account.Snapshot{"hostile": hostileHome(), "family": family(), "fleet": fleet(30, 1)} {
		for wide := 0; wide <= 200; wide++ {
			if wide > 0 && wide < 34 { // less than the least there is to say
				continue
			}
			unattributed := s.Unattributed
			s.Unattributed = nil
			text := tableOf(t, newHome(s), "", wide)
			s.Unattributed = unattributed
			lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			if len(lines) != len(s.Hosts)+2 {
				t.Fatalf("%s at %d columns: %d lines for %d hosts:\n%s", name, wide, len(lines), len(s.Hosts), text)
			}
			end := -1
			for i, line := range lines {
				if w := cli.Width(line); wide > 0 && w > wide {
					t.Errorf("%s at %d columns: line %d has %d: %q", name, wide, i, w, line)
				}
				for _, r := range line {
					if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
						t.Errorf("%s: line %d has %U: %q", name, i, r, line)
					}
				}
				// Upload is there at every width. Each of its cells ends where the title does.
				if i == 0 {
					end = cli.Width(line[:strings.Index(line, "Upload")+len("Upload")])
					continue
				}
				column := 0
				for _, r := range line {
					column += cli.Width(string(r))
					if column == end && r != 'B' {
						t.Fatalf("%s at %d columns: line %d: Upload ends with %q, not at %d:\n%s", name, wide, i, r, end, text)
					}
				}
			}
		}
	}
}

func TestStatsOfOneHost(t *testing.T) {
	h := newHome(family())
	for _, host := range []string{"laptop", "LAPTOP", "3c:52:a1:00:00:01", "3C-52-A1-00-00-01", "192.168.1.2", "2001:DB8:1:0::2"} {
		for form, print := range map[string]func(out *bytes.Buffer) error{
			"table": func(out *bytes.Buffer) error { return cli.Table(ctx, h, out, host, "", 0) },
			"json":  func(out *bytes.Buffer) error { return cli.JSON(ctx, h, out, host, "") },
			"csv":   func(out *bytes.Buffer) error { return cli.CSV(ctx, h, out, host, "") },
		} {
			text := printed(t, print)
			if !strings.Contains(text, "laptop") || strings.Contains(text, "camera") {
				t.Errorf("-host %s as %s:\n%s", host, form, text)
			}
		}
	}
	for _, print := range []func(out *bytes.Buffer) error{
		func(out *bytes.Buffer) error { return cli.Table(ctx, h, out, "nobody\x1b", "", 0) },
		func(out *bytes.Buffer) error { return cli.JSON(ctx, h, out, "nobody\x1b", "") },
		func(out *bytes.Buffer) error { return cli.CSV(ctx, h, out, "nobody\x1b", "") },
	} {
		var out bytes.Buffer
		if err := print(&out); err == nil || err.Error() != `no host "nobody\x1b": mezoura stats lists all` || out.Len() > 0 {
			t.Errorf("no such host: %v, and printed %q", err, &out)
		}
	}
	text := printed(t, func(out *bytes.Buffer) error { return cli.Table(ctx, h, out, "", "guest", 0) })
	if !strings.Contains(text, "camera") || strings.Contains(text, "laptop") {
		t.Errorf("-network guest:\n%s", text)
	}
}

// TestJSONOfOnePage wants what the ubus tool prints.
func TestJSONOfOnePage(t *testing.T) {
	for _, s := range []*account.Snapshot{family(), hostileHome(), {Time: epoch, Started: epoch}} {
		h := newHome(s)
		reply, err := h.Call(ctx, "mezoura", "stats", nil)
		if err != nil {
			t.Fatal(err)
		}
		got := printed(t, func(out *bytes.Buffer) error { return cli.JSON(ctx, h, out, "", "") })
		if want := string(reply.AppendJSONIndent(nil)) + "\n"; got != want {
			t.Errorf("%s\nwant:\n%s", got, want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("invalid: %s", got)
		}
	}
}

// TestPages reads 10,000 hosts while the daemon counts on: one listing is of one snapshot, with nothing missing or twice.
func TestPages(t *testing.T) {
	const n = 10_000
	h := newHome(fleet(n, 1))
	generation := 1
	h.before = func(h *home, _ int) error {
		generation++
		s := fleet(n, generation)
		s.Hosts = s.Hosts[generation:] // and some expire
		h.set(s)
		return nil
	}
	text := printed(t, func(out *bytes.Buffer) error { return cli.JSON(ctx, h, out, "", "") })
	if h.calls < 3 {
		t.Fatalf("%d calls: not several pages", h.calls)
	}
	var reply struct {
		Time, Total, Offset int64
		Listing             *int64
		Hosts               []struct {
			MAC      string
			Download struct{ Bytes int64 }
		}
	}
	if err := json.Unmarshal([]byte(text), &reply); err != nil {
		t.Fatal(err)
	}
	first := int(reply.Time - epoch.Unix()) // the snapshot that the first page was of
	if len(reply.Hosts) != n-first || reply.Total != int64(len(reply.Hosts)) || reply.Offset != 0 || reply.Listing != nil {
		t.Fatalf("%d hosts, total %d, offset %d, listing %v; want %d hosts", len(reply.Hosts), reply.Total, reply.Offset, reply.Listing, n-first)
	}
	for i, host := range reply.Hosts {
		if want := int64((i+first)*1000 + first); host.Download.Bytes != want {
			t.Fatalf("host %d has %d bytes, want %d: of another snapshot, or twice", i, host.Download.Bytes, want)
		}
	}

	// The same as the pages that anybody gets, joined.
	h = newHome(fleet(n, 1))
	text = printed(t, func(out *bytes.Buffer) error { return cli.JSON(ctx, h, out, "", "") })
	var joined, got map[string]any
	for offset, listing := 0, int64(0); ; {
		page, err := h.Call(ctx, "mezoura", "stats", map[string]any{"offset": offset, "listing": listing})
		if err != nil {
			t.Fatal(err)
		}
		var p map[string]any
		if err := json.Unmarshal(page.AppendJSON(nil), &p); err != nil {
			t.Fatal(err)
		}
		hosts := p["hosts"].([]any)
		if joined == nil {
			joined = p
		} else {
			joined["hosts"] = append(joined["hosts"].([]any), hosts...)
		}
		offset += len(hosts)
		if listing = page.Int("listing"); listing == 0 {
			break
		}
	}
	delete(joined, "listing")
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, joined) {
		t.Error("JSON is not what the pages say")
	}
	rows := strings.Count(printed(t, func(out *bytes.Buffer) error { return cli.Table(ctx, h, out, "", "", 100) }), "\n")
	if rows != n+2 {
		t.Errorf("table has %d lines, want %d", rows, n+2)
	}
	records, err := csv.NewReader(strings.NewReader(printed(t, func(out *bytes.Buffer) error { return cli.CSV(ctx, h, out, "", "") }))).ReadAll()
	if err != nil || len(records) != n+1 {
		t.Errorf("CSV has %d records (%v), want %d", len(records), err, n+1)
	}
}

// TestExpiredListing has the daemon forget, or restart, between two pages.
func TestExpiredListing(t *testing.T) {
	h := newHome(fleet(3000, 1))
	h.before = func(h *home, n int) error {
		if n == 1 { // it has been a while since the first page
			h.mu.Lock()
			h.now = h.now.Add(time.Hour)
			h.mu.Unlock()
		}
		return nil
	}
	text := printed(t, func(out *bytes.Buffer) error { return cli.CSV(ctx, h, out, "", "") })
	if rows := strings.Count(text, "\n"); rows != 3001 {
		t.Errorf("%d lines, want 3001", rows)
	}
	h.before = func(h *home, _ int) error {
		h.mu.Lock()
		h.now = h.now.Add(time.Hour)
		h.mu.Unlock()
		return nil
	}
	var out bytes.Buffer
	if err := cli.CSV(ctx, h, &out, "", ""); err == nil || !strings.Contains(err.Error(), "changes faster than it is read") || out.Len() > 0 {
		t.Errorf("a listing that always expires: %v, printed %d bytes", err, out.Len())
	}
}

func TestCSV(t *testing.T) {
	golden(t, "stats.csv", printed(t, func(out *bytes.Buffer) error { return cli.CSV(ctx, newHome(family()), out, "", "") }))
	records, err := csv.NewReader(strings.NewReader(printed(t, func(out *bytes.Buffer) error { return cli.CSV(ctx, newHome(hostileHome()), out, "", "") }))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != len(hostile())+1 {
		t.Fatalf("%d records, want %d", len(records), len(hostile())+1)
	}
	names := map[string]bool{}
	for _, r := range records[1:] {
		for i, field := range r {
			if strings.ContainsAny(field, "\n\r\t\x1b\x00") {
				t.Errorf("%s is %q", records[0][i], field)
			}
			if s := strings.TrimLeft(field, " "); s != "" && strings.ContainsRune("=+-@＝", []rune(s)[0]) {
				t.Errorf("%s is the formula %q", records[0][i], field)
			}
		}
		names[r[1]] = true
	}
	for _, want := range []string{`"quoted", 'twice'`, "'=cmd|' /C calc'!A0", "'+1+1", "'-1", "'@SUM(A1)", "'＝1", "' =1", strings.Repeat("x", 255), "; rm -rf /"} {
		if !names[want] {
			t.Errorf("no name %v among %d", want, len(names))
		}
	}
}

func TestErrorsOfUbus(t *testing.T) {
	for _, c := range []struct {
		cause error
		want  string
	}{
		{ubus.ErrNotFound, "the daemon is not on ubus: is it running?"},
		{ubus.ErrPermissionDenied, "ubus does not let this user ask"},
		{ubus.ErrTimeout, "the daemon does not answer"},
		{ubus.ErrDisconnected, "ubus has gone away"},
		{ubus.ErrUnknown, "unknown"},
	} {
		h := newHome(family())
		h.before = func(*home, int) error { return fmt.Errorf("call mezoura stats: %w", c.cause) }
		for name, run := range map[string]func(out *bytes.Buffer) error{
			"stats":  func(out *bytes.Buffer) error { return cli.Table(ctx, h, out, "", "", 0) },
			"status": func(out *bytes.Buffer) error { return cli.Status(ctx, h, out, false, 0) },
			"json":   func(out *bytes.Buffer) error { return cli.Status(ctx, h, out, true, 0) },
		} {
			var out bytes.Buffer
			err := run(&out)
			if err == nil || !strings.Contains(strings.ToLower(err.Error()), c.want) || !errors.Is(err, c.cause) || strings.Contains(err.Error(), "\n") || out.Len() > 0 {
				t.Errorf("%s at %v: %v, printed %q", name, c.cause, err, &out)
			}
		}
	}
}

func TestStatus(t *testing.T) {
	for _, wide := range []int{0, 60} {
		golden(t, fmt.Sprintf("status-%d.txt", wide), printed(t, func(out *bytes.Buffer) error { return cli.Status(ctx, newHome(family()), out, false, wide) }))
	}
	quiet := &account.Snapshot{Time: epoch, Started: epoch, Status: account.Status{Version: "devel", Interval: time.Second, Transport: "embedded",
		Offload: account.Offload{Hardware: true, Source: "uci"}}}
	golden(t, "status-quiet.txt", printed(t, func(out *bytes.Buffer) error { return cli.Status(ctx, newHome(quiet), out, false, 0) }))
	s := family()
	s.Status.Warnings = append(s.Status.Warnings, "Names of \x1b[31mlan\u202e are wrong.\nReally.")
	text := printed(t, func(out *bytes.Buffer) error { return cli.Status(ctx, newHome(s), out, false, 0) })
	if strings.ContainsAny(text, "\x1b\u202e") || !strings.Contains(text, "wrong.?Really.") {
		t.Errorf("hostile warning:\n%q", text)
	}
	reply, err := newHome(family()).Call(ctx, "mezoura", "status", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := printed(t, func(out *bytes.Buffer) error { return cli.Status(ctx, newHome(family()), out, true, 0) })
	if want := string(reply.AppendJSONIndent(nil)) + "\n"; got != want {
		t.Errorf("-json:\n%s\nwant:\n%s", got, want)
	}
}
