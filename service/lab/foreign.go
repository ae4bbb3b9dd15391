// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// Foreign is a BPF program that is somebody else's: it counts packets and lets them pass on.
type Foreign struct {
	Program *ebpf.Program
	count   *ebpf.Map
}

// Foreign loads such a program.
func (l *Lab) Foreign() (*Foreign, error) {
	count, err := ebpf.NewMap(&ebpf.MapSpec{Name: "foreign", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return nil, fmt.Errorf("make foreign map: %w", err)
	}
	l.onClose(count.Close)
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "foreign", Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, count.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, -1).WithSymbol("out"), // TC_ACT_UNSPEC
		asm.Return(),
	}})
	if err != nil {
		return nil, fmt.Errorf("load foreign program: %w", err)
	}
	l.onClose(program.Close)
	return &Foreign{Program: program, count: count}, nil
}

// Packets is how many packets (super-packets uncut) the program has seen.
func (f *Foreign) Packets() (uint64, error) {
	var perCPU []uint64
	if err := f.count.Lookup(uint32(0), &perCPU); err != nil {
		return 0, fmt.Errorf("read foreign count: %w", err)
	}
	var sum uint64
	for _, n := range perCPU {
		sum += n
	}
	return sum, nil
}

// Pin pins the program below a bpffs, for tc(8), until the lab closes.
func (f *Foreign) Pin(l *Lab, folder, name string) (string, error) {
	path := filepath.Join(folder, name)
	if err := f.Program.Pin(path); err != nil {
		return "", fmt.Errorf("pin foreign program: %w", err)
	}
	l.onClose(f.Program.Unpin)
	return path, nil
}

// AttachTCX attaches the program by tcx, behind all that is there, until the lab closes.
func (f *Foreign) AttachTCX(l *Lab, n *Namespace, device string, hook ebpf.AttachType) error {
	return n.Do(func() error {
		ifi, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		attached, err := link.AttachTCX(link.TCXOptions{Interface: ifi.Index, Program: f.Program, Attach: hook, Anchor: link.Tail()})
		if err != nil {
			return fmt.Errorf("attach foreign program to %s: %w", device, err)
		}
		l.onClose(attached.Close)
		return nil
	})
}

// TCX lists the ids of the programs on a device's tcx hook, in the order they run. A kernel without tcx has none.
func (n *Namespace) TCX(device string, hook ebpf.AttachType) ([]ebpf.ProgramID, error) {
	var ids []ebpf.ProgramID
	err := n.Do(func() error {
		ifi, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		result, err := link.QueryPrograms(link.QueryOptions{Target: ifi.Index, Attach: hook})
		if errors.Is(err, link.ErrNotSupported) || errors.Is(err, ebpf.ErrNotSupported) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("query tcx of %s: %w", device, err)
		}
		for _, p := range result.Programs {
			ids = append(ids, p.ID)
		}
		return nil
	})
	return ids, err
}
