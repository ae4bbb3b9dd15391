// SPDX-License-Identifier: GPL-2.0-only

package fleet_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/export"
)

func TestRules(t *testing.T) {
	check(t, "promtool", "check", "config", "prometheus.yml")
	check(t, "promtool", "check", "rules", "--lint=all", "--lint-fatal", "rules.yml")
	check(t, "promtool", "test", "rules", "rules_test.yml")
}

// What a daemon serves, promtool finds nothing to say about.
func TestMetrics(t *testing.T) {
	promtool := tool(t, "promtool", "prometheus")
	r := newRouter(t, 1000)
	r.metrics.SetCompat(false) // the original's names are what they are
	reply, err := http.Get("http://" + r.address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = reply.Body
	if output, err := cmd.CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, output)
	}
}

// Three routers. One daemon is killed and comes back, one router reboots, and one
// host gets another name: no sum suffers.
func TestFleet(t *testing.T) {
	home, office, cabin := newRouter(t, 1000), newRouter(t, 2000), newRouter(t, 4000)
	p := startPrometheus(t, map[string]string{"home": home.address, "office": office.address, "cabin": cabin.address}, nil)
	const all = 2 * (1000 + 2000 + 4000) // bytes per second and direction

	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 0.1*want {
			t.Errorf("%s: %.0f, want about %.0f", what, got, want)
		}
	}
	await(t, 30*time.Second, "three routers", func() bool {
		list, err := p.query(`count_over_time(mezoura_network_bytes_total{direction="upload"}[1m]) >= 14`)
		return err == nil && len(list) == 3
	})
	for _, s := range p.mustQuery(`up`) {
		if name := s.Labels["instance"]; name != "home" && name != "office" && name != "cabin" || s.Labels["router"] != "" || s.Value != 1 {
			t.Errorf("target %v up %v", s.Labels, s.Value)
		}
	}
	if list := p.mustQuery(`{__name__=~"node_nat_traffic.*"}`); len(list) != 0 {
		t.Errorf("%d series of the original's kept", len(list))
	}
	near("rate of all", p.one(`sum(rate(mezoura_network_bytes_total{direction="download"}[5s]))`), all)

	began := time.Now()
	office.kill()
	cabin.reboot()
	home.rename("television")
	await(t, 30*time.Second, "the new name", func() bool {
		list, err := p.query(`mezoura_host_info{hostname="television"}`)
		return err == nil && len(list) == 1
	})
	await(t, 30*time.Second, "the dead daemon", func() bool {
		list, err := p.query(`up{instance="office"} == 0`)
		return err == nil && len(list) == 1
	})
	await(t, 10*time.Second, "the alert", func() bool {
		list, err := p.query(`ALERTS{alertname="MezouraDown", instance="office", alertstate="pending"}`)
		return err == nil && len(list) == 1
	})
	time.Sleep(2 * time.Second)
	office.start()
	await(t, 30*time.Second, "the daemon to be back", func() bool {
		list, err := p.query(`up{instance="office"} == 1`)
		return err == nil && len(list) == 1
	})
	time.Sleep(3 * time.Second)

	// Over all of it, since before the kill, the reboot and the new name.
	window := fmt.Sprintf("[%ds]", int(time.Since(began).Seconds())+2)
	near("rate over kill and reboot", p.one(`sum(rate(mezoura_network_bytes_total{direction="download"}`+window+`))`), all)
	near("rate of the killed", p.one(`sum(rate(mezoura_network_bytes_total{instance="office", direction="download"}`+window+`))`), 4000)
	near("rate of the renamed", p.one(`sum(rate(mezoura_host_bytes_total{instance="home", mac="02:00:00:00:00:01", direction="upload"}`+window+`))`), 1000)
	if n := p.one(`count(mezoura_host_bytes_total{instance="home", mac="02:00:00:00:00:01", direction="upload", family="ipv4"})`); n != 1 {
		t.Errorf("the renamed host has %v series", n)
	}
	if resets := p.one(`sum(resets(mezoura_network_bytes_total{instance!="cabin"}[5m]))`); resets != 0 {
		t.Errorf("%v totals went backwards without a reboot", resets)
	}
	// The rules keep up with what they are made of.
	near("recorded", p.one(`sum(instance_network_direction:mezoura_network_bytes:rate5m{instance="home"})`), 2*2000)
	checkDashboard(t, p)
}

// The text file, by way of the real node exporter.
func TestTextfile(t *testing.T) {
	exporter := tool(t, "prometheus-node-exporter", "prometheus-node-exporter")
	r := newRouter(t, 1000)
	dir, address := t.TempDir(), freeAddress(t)
	files := []export.Textfile{{Path: filepath.Join(dir, "mezoura.prom")}}
	if err := r.metrics.WriteFiles(files); err != nil {
		t.Fatal(err)
	}
	start(t, exporter, "--web.listen-address="+address, "--collector.disable-defaults", "--collector.textfile", "--collector.textfile.directory="+dir)
	var text string
	await(t, 20*time.Second, "the node exporter", func() bool {
		reply, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			return false
		}
		defer reply.Body.Close()
		body, err := io.ReadAll(reply.Body)
		text = string(body)
		return err == nil
	})
	for _, want := range []string{
		"node_textfile_scrape_error 0", `hostname="tv",ip="192.168.1.1",mac="02:00:00:00:00:01"`,
		`mezoura_host_info{hostname="tv",mac="02:00:00:00:00:01",network="lan"} 1`,
		"# TYPE mezoura_host_bytes_total counter", `node_textfile_mtime_seconds{file="` + files[0].Path + `"}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	p := startPrometheus(t, nil, map[string]string{"hut": address})
	await(t, 30*time.Second, "the file's numbers", func() bool {
		list, err := p.query(`mezoura_network_bytes_total{job="mezoura-textfile", instance="hut", direction="upload"}`)
		return err == nil && len(list) == 1
	})
}

type panel struct {
	Title   string
	Targets []struct{ Expr string }
	Panels  []panel
}

// checkDashboard has Prometheus evaluate every expression of the dashboard, each
// of which finds something in a fleet that is well.
func checkDashboard(t *testing.T, p prometheus) {
	t.Helper()
	text, err := os.ReadFile("grafana/dashboards/mezoura.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		UID, Title string
		Panels     []panel
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	if dashboard.UID == "" || dashboard.Title == "" || len(dashboard.Panels) < 10 {
		t.Errorf("dashboard %q %q with %d panels", dashboard.UID, dashboard.Title, len(dashboard.Panels))
	}
	replace := strings.NewReplacer("$router", ".*", "$network", ".*")
	for _, panel := range dashboard.Panels {
		if len(panel.Targets) == 0 {
			t.Errorf("panel %s shows nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			expr := replace.Replace(target.Expr)
			list, err := p.query(expr)
			if err != nil {
				t.Errorf("panel %s: %v", panel.Title, err)
				continue
			}
			if len(list) == 0 {
				t.Errorf("panel %s: nothing for %s", panel.Title, expr)
			}
			for _, s := range list {
				if strings.Contains(target.Expr, `"name", "$1"`) && s.Labels["name"] == "" {
					t.Errorf("panel %s: a host without name or MAC: %v", panel.Title, s.Labels)
				}
			}
		}
	}
	for _, v := range dashboard.Templating.List {
		if metric, ok := strings.CutPrefix(v.Definition, "label_values("); ok {
			metric, _, _ = strings.Cut(metric, "{")
			metric, _, _ = strings.Cut(metric, ",")
			if len(p.mustQuery(metric)) == 0 {
				t.Errorf("variable %s: nothing for %s", v.Name, metric)
			}
		}
	}
}
