// SPDX-License-Identifier: GPL-2.0-only

package guest

import "strconv"

// Machine is what qemu emulates, and what its kernel has to be told.
type Machine struct {
	Emulator string
	Args     []string
	Console  string // the device that kernel and init write to
	Append   string // more of the kernel's command line
}

// The machines that the tests run on. All are plain TCG with one processor: with two, emulated guests stand still for
// minutes now and then.
var (
	// cx16: qemu 7.2 gives random double faults after cmpxchg16b; la57: it cannot emulate five-level paging well.
	PC      = Machine{"qemu-system-x86_64", []string{"-cpu", "max,cx16=off,la57=off", "-nodefaults", "-serial", "stdio"}, "ttyS0", ""}
	S390    = Machine{"qemu-system-s390x", []string{"-M", "s390-ccw-virtio", "-cpu", "max"}, "ttysclp0", ""}
	ARM     = Machine{"qemu-system-arm", []string{"-M", "virt,highmem=off", "-cpu", "cortex-a15"}, "ttyAMA0", ""}
	ARM64   = Machine{"qemu-system-aarch64", []string{"-M", "virt", "-cpu", "cortex-a57"}, "ttyAMA0", ""}
	Malta   = malta("mips", "24Kc")
	MaltaEL = malta("mipsel", "24Kf")
	Malta64 = malta("mips64el", "5KEc")
)

// malta's clock stalls for half a minute at times; nohz and highres off make that rare.
func malta(name, cpu string) Machine {
	return Machine{"qemu-system-" + name, []string{"-M", "malta", "-cpu", cpu}, "ttyS0", "nohz=off highres=off"}
}

// command is the line that boots a kernel.
func (m *Machine) command(kernel, initramfs string, memory int) []string {
	line := append([]string{m.Emulator, "-accel", "tcg"}, m.Args...)
	return append(line, "-m", strconv.Itoa(memory), "-no-reboot", "-nographic", "-kernel", kernel, "-initrd", initramfs,
		"-append", "console="+m.Console+" quiet panic=-1 "+m.Append)
}
