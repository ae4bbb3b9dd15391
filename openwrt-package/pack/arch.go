// SPDX-License-Identifier: GPL-2.0-only

// Package pack makes OpenWrt packages without OpenWrt's SDK: .ipk for opkg,
// .apk for apk, and the folders that opkg takes as a feed. The same source makes
// the same bytes. It is a tool of the build; nothing of it runs on a router.
//
// Values hold no state between calls, and nothing here runs concurrently.
package pack

import (
	"debug/elf"
	"fmt"
	"strings"
)

// Arch is one of OpenWrt's package architectures and how Go is told to build
// for it.
type Arch struct {
	Name string   // OpenWrt's name, as in opkg's arch lines
	Env  []string // of the go command
	QEMU string   // the user mode emulator: qemu-QEMU-static

	Machine elf.Machine
	Class   elf.Class
	Data    elf.Data
}

// Archs lists every architecture there are packages for.
func Archs() []Arch {
	mips := func(name, arch, qemu string, data elf.Data) Arch {
		return Arch{name, []string{"GOARCH=" + arch, "GOMIPS=softfloat"}, qemu, elf.EM_MIPS, elf.ELFCLASS32, data}
	}
	arm := func(name string) Arch {
		return Arch{name, []string{"GOARCH=arm", "GOARM=7"}, "arm", elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2LSB}
	}
	arm64 := func(name string) Arch {
		return Arch{name, []string{"GOARCH=arm64", "GOARM64=v8.0"}, "aarch64", elf.EM_AARCH64, elf.ELFCLASS64, elf.ELFDATA2LSB}
	}
	return []Arch{
		arm64("aarch64_cortex-a53"),
		arm64("aarch64_generic"),
		arm("arm_cortex-a7_neon-vfpv4"),
		arm("arm_cortex-a9_vfpv3-d16"),
		mips("mips_24kc", "mips", "mips", elf.ELFDATA2MSB),
		mips("mipsel_24kc", "mipsle", "mipsel", elf.ELFDATA2LSB),
		{"i386_pentium4", []string{"GOARCH=386", "GO386=sse2"}, "i386", elf.EM_386, elf.ELFCLASS32, elf.ELFDATA2LSB},
		{"x86_64", []string{"GOARCH=amd64", "GOAMD64=v1"}, "x86_64", elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB},
		{"riscv64_riscv64", []string{"GOARCH=riscv64"}, "riscv64", elf.EM_RISCV, elf.ELFCLASS64, elf.ELFDATA2LSB},
		{"loongarch64_generic", []string{"GOARCH=loong64"}, "loongarch64", elf.EM_LOONGARCH, elf.ELFCLASS64, elf.ELFDATA2LSB},
	}
}

// ArchByName is the architecture of that name.
func ArchByName(name string) (Arch, error) {
	var known []string
	for _, a := range Archs() {
		if a.Name == name {
			return a, nil
		}
		known = append(known, a.Name)
	}
	return Arch{}, fmt.Errorf("architecture %q: want one of %s", name, strings.Join(known, " "))
}
