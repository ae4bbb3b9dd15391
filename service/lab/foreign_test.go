// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/mezoura/mezoura/service/lab"
)

// TestForeignFilters has filters of others on the same hooks: made by tc (bpf, and where the kernel has them flower and
// matchall), and tcx programs. They keep working, in their order, while the daemon comes, is killed, comes again and
// detaches; and then everything is as it was before.
func TestForeignFilters(t *testing.T) {
	for _, c := range []struct {
		name  string
		needs []lab.Feature
		rich  bool
	}{
		{"bpf", nil, false},
		{"flower and matchall", []lab.Feature{lab.Flower, lab.Matchall}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if elsewhere(t, c.needs...) {
				return
			}
			for _, attach := range attachModes(t) {
				t.Run(attach, func(t *testing.T) { foreignFilters(t, attach, c.rich) })
			}
		})
	}
}

func foreignFilters(t *testing.T, attach string, rich bool) {
	h := try(open(t).Home(1))(t)
	const device = "lan1"
	bpffs := try(h.Mount("foreign", "bpf", ""))(t)
	hooks := map[string]ebpf.AttachType{"ingress": ebpf.AttachTCXIngress, "egress": ebpf.AttachTCXEgress}
	programs := map[string][]*lab.Foreign{}
	check(t, h.Router.TC("qdisc add dev "+device+" clsact"))
	for side, hook := range hooks {
		// Of the priorities of qosify and bridger, and one in front of everybody.
		for _, pref := range []int{1, 0x110, 0xbb00} {
			f := try(h.Foreign())(t)
			path := try(f.Pin(h.Lab, bpffs, fmt.Sprintf("%s-%d", side, pref)))(t)
			check(t, h.Router.TC(fmt.Sprintf("filter add dev %s %s pref %d handle 1 bpf direct-action object-pinned %s", device, side, pref, path)))
			programs[side] = append(programs[side], f)
		}
		if rich {
			check(t, h.Router.TC(
				fmt.Sprintf("filter add dev %s %s pref 5 protocol ip handle 1 flower ip_proto udp action gact continue", device, side),
				fmt.Sprintf("filter add dev %s %s pref 20 protocol all handle 1 matchall action gact continue", device, side)))
		}
		if attach == "tcx" {
			f := try(h.Foreign())(t)
			check(t, f.AttachTCX(h.Lab, h.Router.Namespace, device, hook))
			programs[side] = append(programs[side], f)
		}
	}

	s := setup(t, h, "-attach", attach)
	before := machine(t, h, s, device)
	quiet := map[*lab.Foreign]uint64{} // what each has seen before all of them were there
	time.Sleep(300 * time.Millisecond)
	for _, list := range programs {
		for _, f := range list {
			quiet[f] = try(f.Packets())(t)
		}
	}
	d := start(t, h, s)
	for side, hook := range hooks {
		if attach == "tcx" { // and one that comes after us
			f := try(h.Foreign())(t)
			check(t, f.AttachTCX(h.Lab, h.Router.Namespace, device, hook))
			programs[side] = append(programs[side], f)
		}
	}
	m := meters(t, h.Hosts)
	check(t, everyWay(h.Hosts[0], h.Internet, 0))
	expect(t, d, h.Hosts, m)
	d.Kill()
	check(t, everyWay(h.Hosts[0], h.Internet, 1))
	d = start(t, h, s)
	check(t, everyWay(h.Hosts[0], h.Internet, 2))
	expect(t, d, h.Hosts, m)
	for side, list := range programs {
		var counts []uint64
		for i, f := range list {
			counts = append(counts, try(f.Packets())(t)-quiet[f])
			// All but the last have been there for the traffic of all three rounds; the last missed none either.
			if counts[i] == 0 || counts[i] != counts[0] && i < len(list)-1 {
				t.Errorf("%s: the foreign programs have seen %d packets: not all the same", side, counts)
			}
		}
	}

	during := machine(t, h, s, device)
	if got := without(during.filters, before.filters); len(before.filters) == 0 || got != nil {
		t.Errorf("foreign filters changed while the daemon ran: %q are missing in %q", got, during.filters)
	}
	check(t, d.Terminate())
	check(t, s.Detach())
	after := machine(t, h, s, device)
	if !slices.Equal(after.filters, before.filters) {
		t.Errorf("filters before: %q\nafter -detach: %q", before.filters, after.filters)
	}
	if after.pins != nil {
		t.Errorf("-detach left pins: %q", after.pins)
	}
	for side := range hooks {
		want := before.tcx[side]
		if attach == "tcx" {
			list := programs[side]
			info := try(list[len(list)-1].Program.Info())(t)
			id, _ := info.ID()
			want = append(want, id)
		}
		if !slices.Equal(after.tcx[side], want) {
			t.Errorf("%s: tcx programs after -detach %v, should be %v", side, after.tcx[side], want)
		}
	}
	check(t, s.Detach()) // nothing is there any more, which is no error
}

// state is what a machine has of BPF on a device.
type state struct {
	filters []string // tc's listing, without packet counts
	tcx     map[string][]ebpf.ProgramID
	pins    []string
}

func machine(t *testing.T, h *lab.Home, s *lab.Setup, device string) state {
	t.Helper()
	m := state{tcx: map[string][]ebpf.ProgramID{}}
	for side, hook := range map[string]ebpf.AttachType{"ingress": ebpf.AttachTCXIngress, "egress": ebpf.AttachTCXEgress} {
		text := try(h.Router.Run("tc", "filter", "show", "dev", device, side))(t)
		for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
			if line != "" {
				m.filters = append(m.filters, side+" "+strings.TrimSpace(line))
			}
		}
		if kernelAtLeast(t, 6, 6) {
			m.tcx[side] = try(h.Router.TCX(device, hook))(t)
		}
	}
	slices.Sort(m.filters)
	err := filepath.WalkDir(s.BPFFS, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			m.pins = append(m.pins, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return m
}

// without returns what of want is not in got.
func without(got, want []string) []string {
	var missing []string
	for _, line := range want {
		if !slices.Contains(got, line) {
			missing = append(missing, line)
		}
	}
	return missing
}

// TestDetachWithoutForeign detaches from a machine that had nothing on its hooks. An empty clsact may stay: it is not
// known whose it is.
func TestDetachWithoutForeign(t *testing.T) {
	for _, attach := range attachModes(t) {
		t.Run(attach, func(t *testing.T) {
			h := try(open(t).Home(2))(t)
			s := setup(t, h, "-attach", attach)
			d := start(t, h, s)
			check(t, everyWay(h.Hosts[0], h.Internet, 0))
			d.Kill() // detaches what a killed daemon has left as well
			check(t, s.Detach())
			for _, host := range h.Hosts {
				if m := machine(t, h, s, host.Port); m.filters != nil || m.pins != nil || len(m.tcx["ingress"])+len(m.tcx["egress"]) > 0 {
					t.Errorf("%s: left behind: %+v", host.Port, m)
				}
			}
			// A new start counts on from nothing lost: the totals of before are kept in the state.
			m := meters(t, h.Hosts)
			before := try(s.ReadTextfile())(t)
			d = start(t, h, s)
			base := try(d.Scrape(context.Background()))(t)
			forward(t, before, base)
			check(t, everyWay(h.Hosts[1], h.Internet, 0))
			list := try(lab.Expect(h.Hosts, m))(t)
			for i, e := range list {
				list[i].Counts = e.Counts.Add(base.Host(e.Host, e.Family))
			}
			if _, err := d.Await(context.Background(), list); err != nil {
				t.Error(err)
			}
		})
	}
}

// ourFilter finds the classifier in tc's listing.
var ourFilter = regexp.MustCompile(`bpf.*mezoura`)

// TestClsactFilterIsOurs sees that in clsact mode there is exactly one filter of ours on each hook, named.
func TestClsactFilterIsOurs(t *testing.T) {
	h := try(open(t).Home(1))(t)
	s := setup(t, h, "-attach", "clsact")
	for range 3 {
		d := start(t, h, s)
		m := machine(t, h, s, "lan1")
		if n := len(m.filters) - len(slices.DeleteFunc(slices.Clone(m.filters), ourFilter.MatchString)); n != 2 {
			t.Errorf("%d filters of ours on both hooks, want 2: %q", n, m.filters)
		}
		d.Kill()
	}
}
