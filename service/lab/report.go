// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Report is what a daemon says it has counted, read from its metrics.
type Report struct {
	Text    string
	Samples []MetricSample
}

// MetricSample is one line of the metrics.
type MetricSample struct {
	Name   string
	Labels map[string]string
	Value  float64
}

// Scrape reads the daemon's metrics over HTTP, from inside its namespace.
func (d *Daemon) Scrape(ctx context.Context) (*Report, error) {
	return d.Setup.Scrape(ctx)
}

// Scrape reads the metrics that are served in the setup's namespace.
func (s *Setup) Scrape(ctx context.Context) (*Report, error) {
	transport := &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, address string) (c net.Conn, err error) {
			err = s.Namespace.Do(func() error {
				c, err = (&net.Dialer{}).DialContext(ctx, "tcp4", address)
				return err
			})
			return c, err
		}}
	client := http.Client{Transport: transport, Timeout: 20 * time.Second}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/metrics", Port), nil)
	if err != nil {
		return nil, err
	}
	reply, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	if reply.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("scrape: %s: %s", reply.Status, strings.TrimSpace(string(body)))
	}
	return ParseReport(string(body))
}

// ReadTextfile reads the metrics that the daemon last wrote to its file.
func (s *Setup) ReadTextfile() (*Report, error) {
	text, err := os.ReadFile(s.Textfile)
	if err != nil {
		return nil, fmt.Errorf("read textfile: %w", err)
	}
	return ParseReport(string(text))
}

// ParseReport reads metrics in Prometheus' text format. It is strict: half a file is an error.
func ParseReport(text string) (*Report, error) {
	r := &Report{Text: text}
	if text != "" && !strings.HasSuffix(text, "\n") {
		return nil, errors.New("parse metrics: the last line has no end")
	}
	for i, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		s, err := parseSample(line)
		if err != nil {
			return nil, fmt.Errorf("parse metrics: line %d %q: %w", i+1, line, err)
		}
		r.Samples = append(r.Samples, s)
	}
	return r, nil
}

func parseSample(line string) (MetricSample, error) {
	end := strings.IndexAny(line, "{ ")
	if end < 1 {
		return MetricSample{}, errors.New("no name")
	}
	s := MetricSample{Name: line[:end], Labels: map[string]string{}}
	rest := line[end:]
	if rest[0] == '{' {
		rest = rest[1:]
		for !strings.HasPrefix(rest, "}") {
			name, after, found := strings.Cut(rest, "=")
			if !found {
				return s, errors.New("label without value")
			}
			quoted, err := strconv.QuotedPrefix(after)
			if err != nil {
				return s, fmt.Errorf("label %s: %w", name, err)
			}
			if s.Labels[name], err = strconv.Unquote(quoted); err != nil {
				return s, fmt.Errorf("label %s: %w", name, err)
			}
			rest = strings.TrimPrefix(after[len(quoted):], ",")
		}
		rest = rest[1:]
	}
	value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
	s.Value = value
	return s, err
}

// Find returns the samples of a name whose labels have the given values, as name-value pairs.
func (r *Report) Find(name string, labels ...string) []MetricSample {
	var found []MetricSample
	for _, s := range r.Samples {
		if s.Name == name && s.has(labels) {
			found = append(found, s)
		}
	}
	return found
}

func (s MetricSample) has(labels []string) bool {
	for i := 0; i+1 < len(labels); i += 2 {
		if s.Labels[labels[i]] != labels[i+1] {
			return false
		}
	}
	return true
}

// Sum adds up what Find finds.
func (r *Report) Sum(name string, labels ...string) uint64 {
	var sum uint64
	for _, s := range r.Find(name, labels...) {
		sum += uint64(s.Value)
	}
	return sum
}

// AttachedTo tells whether the daemon is attached to every device named, and if not, to which not.
func (r *Report) AttachedTo(devices []string) error {
	var missing []string
	for _, device := range devices {
		attached := false
		for _, s := range r.Find("mezoura_attached", "device", device) {
			attached = attached || s.Value == 1 && s.Labels["mode"] != "waiting"
		}
		if !attached {
			missing = append(missing, device)
		}
	}
	if missing != nil {
		return fmt.Errorf("not attached to %s", strings.Join(missing, ", "))
	}
	return nil
}

// Counts adds up what was counted for the hosts with the given labels.
func (r *Report) Counts(labels ...string) Counts {
	one := func(direction string) Traffic {
		l := append([]string{"direction", direction}, labels...)
		return Traffic{r.Sum("mezoura_host_bytes_total", l...), r.Sum("mezoura_host_packets_total", l...)}
	}
	return Counts{Download: one("download"), Upload: one("upload")}
}

// identity is the value of a host's label mac. On a raw IP device an IPv4 address is the host, and an IPv6 prefix of 64
// bits, which several machines may share.
func (h *Host) identity(f Family) string {
	switch {
	case h.MAC != "":
		return strings.ToUpper(h.MAC)
	case f == IPv4:
		return h.IPv4.String()
	default:
		return netip.PrefixFrom(h.IPv6, 64).Masked().String()
	}
}

// Host returns what was counted for a host in one family, in its own network.
func (r *Report) Host(h *Host, f Family) Counts {
	return r.Counts("mac", h.identity(f), "network", h.Network.Device, "family", f.String())
}

// Unattributed returns the bytes counted for nobody, by reason; reasons without any are left out.
func (r *Report) Unattributed() map[string]uint64 {
	reasons := map[string]uint64{}
	for _, s := range r.Find("mezoura_unattributed_bytes_total") {
		if s.Value != 0 {
			reasons[s.Labels["reason"]] += uint64(s.Value)
		}
	}
	return reasons
}

// Rows lists all hosts' counters, one line each, sorted: for messages and for comparing whole reports.
func (r *Report) Rows() []string {
	var rows []string
	for _, s := range r.Samples {
		if s.Name == "mezoura_host_bytes_total" || s.Name == "mezoura_host_packets_total" {
			rows = append(rows, fmt.Sprintf("%s %s %s %s %s %.0f", s.Labels["mac"], s.Labels["network"], s.Labels["family"],
				s.Labels["direction"], strings.TrimPrefix(s.Name, "mezoura_host_"), s.Value))
		}
	}
	sort.Strings(rows)
	return rows
}

// Backwards lists the counters that are less than in an earlier report, or gone.
func (r *Report) Backwards(earlier *Report) []string {
	now := map[string]float64{}
	for _, s := range r.Samples {
		now[s.key()] = s.Value
	}
	var back []string
	for _, s := range earlier.Samples {
		if !strings.HasSuffix(s.Name, "_total") && !strings.HasPrefix(s.Name, "node_nat_traffic_") {
			continue
		}
		if value, ok := now[s.key()]; !ok || value < s.Value {
			back = append(back, fmt.Sprintf("%s from %.0f to %.0f", s.key(), s.Value, value))
		}
	}
	return back
}

// key names a series.
func (s MetricSample) key() string {
	var pairs []string
	for name, value := range s.Labels {
		pairs = append(pairs, name+"="+strconv.Quote(value))
	}
	sort.Strings(pairs)
	return s.Name + "{" + strings.Join(pairs, ",") + "}"
}
