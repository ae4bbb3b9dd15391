// SPDX-License-Identifier: GPL-2.0-only

package offload_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/offload"
	"github.com/mezoura/mezoura/service/uci"
)

const (
	none     = "config defaults\n\toption input 'REJECT'\n"
	software = "config defaults\n\toption flow_offloading '1'\n"
	hardware = "config defaults\n\toption flow_offloading '1'\n\toption flow_offloading_hw '1'\n"
	half     = "config defaults\n\toption flow_offloading '0'\n\toption flow_offloading_hw '1'\n"
	broken   = "config defaults 'x\n"
)

func TestDetect(t *testing.T) {
	ports := offload.Flowtable{Table: "fw4", Name: "ft", Devices: []string{"lan1", "wan"}}
	hw := offload.Flowtable{Table: "fw4", Name: "ft", Hardware: true, Devices: []string{"eth0"}}
	tests := []struct {
		name               string
		firewall           string // "" for no file
		tables             []offload.Flowtable
		err                error
		software, hardware bool
		source, devices    string
		warnings           []string // a part of each
	}{
		{name: "nothing at all"},
		{name: "not configured", firewall: none},
		{name: "configured", firewall: software, software: true, source: "configuration"},
		{name: "hardware needs the other option", firewall: half},
		{name: "configured and live", firewall: software, tables: []offload.Flowtable{ports},
			software: true, source: "ruleset, configuration", devices: "lan1 wan"},
		{name: "live only", tables: []offload.Flowtable{ports, {Name: "b", Devices: []string{"br-b", "wan"}}},
			software: true, source: "ruleset", devices: "br-b lan1 wan"},
		{name: "a flowtable of nothing", tables: []offload.Flowtable{{Name: "ft", Hardware: true}}},
		{name: "hardware configured", firewall: hardware, software: true, hardware: true, source: "configuration",
			warnings: []string{"Hardware flow offloading is active: what"}},
		{name: "hardware live", firewall: none, tables: []offload.Flowtable{hw}, software: true, hardware: true,
			source: "ruleset", devices: "eth0", warnings: []string{"is active on eth0: what the hardware forwards is not seen"}},
		{name: "not allowed to look", firewall: software, err: unix.EPERM, software: true, source: "configuration",
			warnings: []string{"not fully known: operation not permitted"}},
		{name: "broken configuration", firewall: broken, tables: []offload.Flowtable{ports}, software: true,
			source: "ruleset", devices: "lan1 wan", warnings: []string{"not fully known: read flow offloading"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if tt.firewall != "" {
				if err := os.WriteFile(filepath.Join(dir, "firewall"), []byte(tt.firewall), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			d := offload.New(uci.NewTree(dir), func() ([]offload.Flowtable, error) { return tt.tables, tt.err })
			s := d.Detect()
			if s.Software != tt.software || s.Hardware != tt.hardware || s.Source != tt.source || strings.Join(s.Devices, " ") != tt.devices {
				t.Errorf("state %+v", s)
			}
			w := s.Warnings()
			if len(w) != len(tt.warnings) {
				t.Fatalf("warnings %q, want %q", w, tt.warnings)
			}
			for i := range w {
				if !strings.Contains(w[i], tt.warnings[i]) || !strings.HasSuffix(w[i], ".") {
					t.Errorf("warning %q, want %q in it", w[i], tt.warnings[i])
				}
			}
			if !s.Equal(d.Detect()) {
				t.Error("the same question has another answer")
			}
		})
	}
}

// The file is read anew each time: a reload of the firewall is seen.
func TestDetectAgain(t *testing.T) {
	dir := t.TempDir()
	d := offload.New(uci.NewTree(dir), func() ([]offload.Flowtable, error) { return nil, nil })
	before := d.Detect()
	if err := os.WriteFile(filepath.Join(dir, "firewall"), []byte(software), 0o600); err != nil {
		t.Fatal(err)
	}
	if after := d.Detect(); before.Software || !after.Software || before.Equal(after) {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestDetectWithoutUCI(t *testing.T) {
	cause := errors.New("no")
	s := offload.New(nil, func() ([]offload.Flowtable, error) { return nil, cause }).Detect()
	if s.Software || !errors.Is(s.Incomplete, cause) || !slices.Equal(s.Devices, nil) {
		t.Errorf("state %+v", s)
	}
}
