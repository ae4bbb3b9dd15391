// SPDX-License-Identifier: GPL-2.0-only

package kernels

import "github.com/mezoura/mezoura/service/lab/guest"

// Row is one line of the matrix: a kernel on a machine, and what our binaries are compiled for.
type Row struct {
	Name    string
	Arch    string   // GOARCH
	Env     []string // more of the Go compiler's environment
	Machine guest.Machine
	Wanted  guest.Wanted // Debian's kernel
	Source  string       // instead: the release of Debian's linux-source that it is built from
	JIT     bool         // the kernel can compile our programs
	Clock   bool         // the clock is set there
}

// Rows is the whole matrix. 5.15 and 6.6 are in no Debian release; 5.10, 6.1 and 6.12 have them in between.
func Rows() []Row {
	debian := func(suite, arch, pattern string) guest.Wanted {
		return guest.Wanted{Suite: suite, Arch: arch, Package: `linux-image-` + pattern}
	}
	const v510, v61, v612 = `5\.10\.0-[0-9]+-`, `6\.1\.0-[0-9]+-`, `6\.12\.[0-9]+\+deb13-`
	soft := []string{"GOMIPS=softfloat", "GOMIPS64=softfloat"}
	newest := guest.Wanted{Suite: "sid", Arch: "amd64", Package: `linux-binary-[0-9.]+\+deb[0-9]+-cloud-amd64`}
	// Slow machines first, so that the last ones to end are quick.
	return []Row{
		{Name: "armhf 5.10", Arch: "arm", Env: []string{"GOARM=7"}, Machine: guest.ARM, Wanted: debian("bullseye", "armhf", v510+"armmp"), JIT: true},
		{Name: "armhf 6.12", Arch: "arm", Env: []string{"GOARM=7"}, Machine: guest.ARM, Wanted: debian("trixie", "armhf", v612+"armmp"), JIT: true},
		{Name: "mips 5.10", Arch: "mips", Env: soft, Machine: guest.Malta, Source: "5.10", Clock: true},
		{Name: "mips 6.12", Arch: "mips", Env: soft, Machine: guest.Malta, Source: "6.12", JIT: true},
		{Name: "mipsle 6.1", Arch: "mipsle", Env: soft, Machine: guest.MaltaEL, Wanted: debian("bookworm", "mipsel", v61+"4kc-malta"), JIT: true, Clock: true},
		{Name: "mips64le 6.1", Arch: "mips64le", Env: soft, Machine: guest.Malta64, Wanted: debian("bookworm", "mips64el", v61+"5kc-malta"), JIT: true},
		{Name: "s390x 6.1", Arch: "s390x", Machine: guest.S390, Wanted: debian("bookworm", "s390x", v61+"s390x")},
		{Name: "s390x 6.12", Arch: "s390x", Machine: guest.S390, Wanted: debian("trixie", "s390x", v612+"s390x")},
		{Name: "amd64 5.10", Arch: "amd64", Machine: guest.PC, Wanted: debian("bullseye", "amd64", v510+"cloud-amd64"), JIT: true},
		{Name: "amd64 6.1", Arch: "amd64", Machine: guest.PC, Wanted: debian("bookworm", "amd64", v61+"cloud-amd64"), JIT: true},
		{Name: "amd64 6.12", Arch: "amd64", Machine: guest.PC, Wanted: debian("trixie", "amd64", v612+"cloud-amd64"), JIT: true, Clock: true},
		{Name: "amd64 newest", Arch: "amd64", Machine: guest.PC, Wanted: newest, JIT: true},
		{Name: "386 6.12", Arch: "386", Machine: guest.PC, Wanted: debian("trixie", "amd64", v612+"cloud-amd64"), JIT: true},
		{Name: "arm64 6.12", Arch: "arm64", Machine: guest.ARM64, Wanted: debian("trixie", "arm64", v612+"cloud-arm64"), JIT: true, Clock: true},
	}
}
