// SPDX-License-Identifier: GPL-2.0-only

package service

import (
	"fmt"
	"slices"
	"sort"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/networks"
)

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// status is the daemon's state in plain data.
func (s *service) status() account.Status {
	plan := &s.counter.plan
	st := account.Status{
		Version: s.version, Transport: s.bus.transport(), Kernel: s.kernel, Interval: s.config.Interval,
		Table: s.counter.table, ConfigError: s.configError,
		Offload: account.Offload{Software: s.offloaded.Software, Hardware: s.offloaded.Hardware, Source: s.offloaded.Source},
	}
	segments := map[int]string{}
	for _, n := range plan.Networks {
		up := false
		for _, a := range s.counter.modes {
			up = up || a.want.Segment == n.Segment && a.err == nil
		}
		st.Networks = append(st.Networks, account.NetworkInfo{Name: n.Name, Device: n.Device, Up: up, Prefixes: n.Prefixes})
		if segments[n.Segment] == "" {
			segments[n.Segment] = n.Name
		}
	}
	for _, a := range s.counter.modes {
		out := account.Attachment{Network: segments[a.want.Segment], Device: a.want.Device, Mode: string(a.mode), Direction: "both"}
		if a.err != nil {
			out.Mode, out.Error = "waiting", a.err.Error()
			st.Warnings = append(st.Warnings, fmt.Sprintf("Device %s is not counted: %v.", a.want.Device, a.err))
		}
		st.Attachments = append(st.Attachments, out)
	}
	for _, name := range plan.Missing {
		st.Attachments = append(st.Attachments, account.Attachment{Device: name, Mode: "waiting", Direction: "both"})
		st.Warnings = append(st.Warnings, fmt.Sprintf("Device %s does not exist; it is counted as soon as it does.", name))
	}
	sort.Slice(st.Attachments, func(i, j int) bool { return st.Attachments[i].Device < st.Attachments[j].Device })
	st.Warnings = append(st.Warnings, plan.Warnings...)
	st.Warnings = append(st.Warnings, s.offloaded.Warnings()...)
	if devices := networks.Bypassed(*plan, s.links.Table(), s.offloaded.Devices); len(devices) > 0 {
		st.Warnings = append(st.Warnings, networks.BypassWarning(devices))
	}
	if s.configError != "" {
		st.Warnings = append(st.Warnings, "The configuration has errors and was not read; the old one stays in force: "+s.configError)
	}
	if what := s.complaints["textfile"]; what != "" {
		st.Warnings = append(st.Warnings, "The text file is not written: "+what)
	}
	if what := s.complaints["book"]; what != "" {
		st.Warnings = append(st.Warnings, "Totals are not saved, and idle addresses keep their room in the tables: "+what)
	}
	if t := s.counter.table; t.Entries*10 > t.Capacity*9 {
		st.Warnings = append(st.Warnings, fmt.Sprintf("The table of addresses is nearly full (%d of %d): raise option table_size.", t.Entries, t.Capacity))
	}
	st.Warnings = append(st.Warnings, s.hosts.Problems()...)
	slices.Sort(st.Warnings)
	st.Warnings = slices.Compact(st.Warnings)
	return st
}

// settled tells whether everything of the plan is attached.
func (k *counter) settled() bool {
	for _, a := range k.modes {
		if a.err != nil {
			return false
		}
	}
	return true
}
