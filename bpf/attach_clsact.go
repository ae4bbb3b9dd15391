// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/florianl/go-tc"
	"github.com/florianl/go-tc/core"
	"golang.org/x/sys/unix"
)

const (
	filterName = "mezoura"
	// Before qosify (0x110) and bridger (0xbb00), which may end the line of filters; not 1, which people take.
	filterPriority = 0x0d
	filterHandle   = 0x4d5a // "MZ"

	flagDirectAction = 1
)

// clsact keeps a filter of our own name, priority and handle on each hook. It makes the qdisc where there is none, and never
// removes it: others may have come to use it.
type clsact struct{ conn *tc.Tc }

func newClsact() (*clsact, error) {
	conn, err := tc.Open(&tc.Config{})
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	return &clsact{conn: conn}, nil
}

func filterMsg(ifindex int, dir direction) tc.Msg {
	minor := tc.HandleMinIngress
	if dir == egress {
		minor = tc.HandleMinEgress
	}
	return tc.Msg{
		Family:  unix.AF_UNSPEC,
		Ifindex: uint32(ifindex),
		Handle:  filterHandle,
		Parent:  core.BuildHandle(tc.HandleRoot, minor),
		Info:    filterPriority<<16 | uint32(binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL})), // in wire order,
	}
}

func (c *clsact) has(ifindex int, dir direction) (bool, error) {
	msg := filterMsg(ifindex, dir)
	filters, err := c.conn.Filter().Get(&tc.Msg{Family: msg.Family, Ifindex: msg.Ifindex, Parent: msg.Parent})
	if err != nil {
		if isGone(err) {
			return false, nil
		}
		return false, fmt.Errorf("list filters: %w", err)
	}
	for _, f := range filters {
		if f.Kind == "bpf" && f.Msg.Handle == filterHandle && f.Msg.Info>>16 == filterPriority &&
			f.BPF != nil && f.BPF.Name != nil && *f.BPF.Name == filterName {
			return true, nil
		}
	}
	return false, nil
}

func (c *clsact) attach(ifindex int, dir direction, prog *ebpf.Program) error {
	err := c.conn.Qdisc().Add(&tc.Object{
		Msg: tc.Msg{
			Family: unix.AF_UNSPEC, Ifindex: uint32(ifindex),
			Handle: core.BuildHandle(tc.HandleRoot, 0), Parent: tc.HandleIngress,
		},
		Attribute: tc.Attribute{Kind: "clsact"},
	})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add clsact (module sch_ingress): %w", err)
	}
	fd, name, flags := uint32(prog.FD()), filterName, uint32(flagDirectAction)
	err = c.conn.Filter().Replace(&tc.Object{
		Msg:       filterMsg(ifindex, dir),
		Attribute: tc.Attribute{Kind: "bpf", BPF: &tc.Bpf{FD: &fd, Name: &name, Flags: &flags}},
	})
	if err != nil {
		return fmt.Errorf("replace filter (module cls_bpf): %w", err)
	}
	return nil
}

func (c *clsact) detach(ifindex int, dir direction) error {
	has, err := c.has(ifindex, dir)
	if !has {
		return err
	}
	err = c.conn.Filter().Delete(&tc.Object{Msg: filterMsg(ifindex, dir), Attribute: tc.Attribute{Kind: "bpf"}})
	if err != nil && !isGone(err) {
		return fmt.Errorf("delete filter: %w", err)
	}
	return nil
}

func (c *clsact) close() error { return c.conn.Close() }

// isGone tells that the device, its qdisc or the filter does not exist (any more).
func isGone(err error) bool {
	return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL)
}
