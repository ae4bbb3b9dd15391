// SPDX-License-Identifier: GPL-2.0-only

// Package offload finds out whether flows are forwarded past the network stack: what is
// configured in OpenWrt's firewall, and what flowtables the kernel has.
//
// Under software offload every packet still passes the hooks of the devices that the
// classifier is on. Under hardware offload most packets never reach the CPU, so that all
// numbers are incomplete, which users have to be told.
//
// There is no state: each Detect looks anew. A Detector may be used by any goroutine.
package offload

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Tree reads UCI; *uci.Tree is one.
type Tree interface {
	LoadConfig(config string, forceReload bool) error
	GetSections(config, sectionType string) ([]string, bool)
	GetLast(config, section, option string) (string, bool)
}

// Configured is what /etc/config/firewall asks for.
type Configured struct{ Software, Hardware bool }

// FromUCI reads the firewall's defaults. No such file is no offloading.
func FromUCI(tree Tree) (Configured, error) {
	var c Configured
	if err := tree.LoadConfig("firewall", true); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return c, nil
		}
		return c, fmt.Errorf("read flow offloading: %w", err)
	}
	sections, _ := tree.GetSections("firewall", "defaults")
	for _, s := range sections {
		c.Software = c.Software || enabled(tree, s, "flow_offloading")
		c.Hardware = c.Hardware || enabled(tree, s, "flow_offloading_hw")
	}
	c.Hardware = c.Hardware && c.Software // the firewall ignores the one without the other
	return c, nil
}

func enabled(tree Tree, section, option string) bool {
	v, _ := tree.GetLast("firewall", section, option)
	switch strings.ToLower(v) {
	case "1", "on", "true", "yes", "enabled":
		return true
	}
	return false
}

// Flowtable is one flowtable of the live ruleset.
type Flowtable struct {
	Table, Name string
	Hardware    bool     // flows may be handed to the hardware
	Counter     bool     // what the hardware forwards is counted in conntrack
	Devices     []string // sorted; a trailing * stands for anything
}

// State is what was found.
type State struct {
	Software, Hardware bool
	// Source says how it is known: "ruleset", "configuration", both joined by ", ", or "" if
	// nothing offloads.
	Source string
	// Devices are those of all flowtables, sorted.
	Devices []string
	// Incomplete is why a part could not be looked at, nil if all was.
	Incomplete error
}

// Detector looks at both places.
type Detector struct {
	tree Tree
	list func() ([]Flowtable, error)
}

// New makes a Detector of a UCI tree, nil for none, and of what lists flowtables, normally
// Flowtables.
func New(tree Tree, list func() ([]Flowtable, error)) *Detector {
	return &Detector{tree: tree, list: list}
}

// Detect looks. What is configured counts as on even while no flowtable is there: the
// firewall may be about to start, or use another mechanism, as iptables did.
func (d *Detector) Detect() State {
	var s State
	tables, err := d.list()
	if err != nil {
		s.Incomplete = err
	}
	var sources []string
	for _, t := range tables {
		if len(t.Devices) == 0 {
			continue // offloads nothing
		}
		s.Software = true
		s.Hardware = s.Hardware || t.Hardware
		s.Devices = append(s.Devices, t.Devices...)
	}
	slices.Sort(s.Devices)
	s.Devices = slices.Compact(s.Devices)
	if s.Software {
		sources = append(sources, "ruleset")
	}
	if d.tree != nil {
		c, err := FromUCI(d.tree)
		s.Incomplete = errors.Join(s.Incomplete, err)
		if c.Software {
			sources = append(sources, "configuration")
		}
		s.Software, s.Hardware = s.Software || c.Software, s.Hardware || c.Hardware
	}
	s.Source = strings.Join(sources, ", ")
	return s
}

// Warnings says in whole sentences what the state means for the numbers.
func (s State) Warnings() []string {
	var w []string
	if s.Hardware {
		on := ""
		if len(s.Devices) > 0 {
			on = " on " + strings.Join(s.Devices, ", ")
		}
		w = append(w, "Hardware flow offloading is active"+on+": what the hardware forwards is not seen, so all numbers are incomplete. "+
			"Set flow_offloading_hw to 0 in /etc/config/firewall to count everything.")
	}
	if s.Incomplete != nil {
		w = append(w, fmt.Sprintf("Whether flow offloading is on is not fully known: %v.", s.Incomplete))
	}
	return w
}

// Equal reports whether both mean the same.
func (s State) Equal(o State) bool {
	return s.Software == o.Software && s.Hardware == o.Hardware && s.Source == o.Source &&
		slices.Equal(s.Devices, o.Devices) && (s.Incomplete == nil) == (o.Incomplete == nil)
}
