// SPDX-License-Identifier: GPL-2.0-only

package kernels

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	_ "embed"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/lab/guest"
)

// mipsConfig is what a kernel for 32-bit big-endian MIPS has beside qemu's board and without modules.
//
//go:embed mips.config
var mipsConfig []byte

// Kernel gets the row's kernel: from the cache, else Debian's, else built.
func (r *Runner) Kernel(ctx context.Context, row Row) (*guest.Kernel, error) {
	if row.Source == "" {
		return guest.Fetch(ctx, row.Wanted, r.Cache)
	}
	folder := filepath.Join(r.Cache, "built-mips")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("get kernel: %w", err)
	}
	unlock, err := guest.Lock(filepath.Join(folder, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	kernel := &guest.Kernel{Version: row.Source, Image: filepath.Join(folder, "vmlinux-"+row.Source)}
	if _, err := os.Stat(kernel.Image); err == nil {
		return kernel, nil
	}
	prebuilt := filepath.Join(r.Beside, "vmlinux-mips-be-"+row.Source+".xz")
	if _, err := os.Stat(prebuilt); err == nil {
		return kernel, unpack(ctx, prebuilt, kernel.Image)
	}
	if err := r.build(ctx, row.Source, folder, kernel.Image); err != nil {
		return nil, fmt.Errorf("build kernel %s for mips: %w", row.Source, err)
	}
	return kernel, nil
}

// unpack writes the kernel in one step, so that no half of one is ever found.
func unpack(ctx context.Context, from, to string) error {
	f, err := os.CreateTemp(filepath.Dir(to), "partial-")
	if err != nil {
		return fmt.Errorf("unpack kernel: %w", err)
	}
	cmd := exec.CommandContext(ctx, "xz", "-dc", from)
	cmd.Stdout = f
	if err := errors.Join(cmd.Run(), f.Close()); err != nil {
		return fmt.Errorf("unpack kernel %s: %w", from, errors.Join(err, os.Remove(f.Name())))
	}
	return os.Rename(f.Name(), to)
}

// suites are the Debian releases that have each linux-source.
var suites = map[string]string{"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie"}

// needless is what the board's configuration has and no test needs: building it would take most of the time.
var needless = strings.Fields(`SOUND DRM FB WLAN WIRELESS IDE ATA SCSI MTD USB_SUPPORT MD HID INPUT_MOUSE EXT4_FS EXT2_FS EXT3_FS XFS_FS JFS_FS
	REISERFS_FS NFS_FS NFSD CIFS SUNRPC NETWORK_FILESYSTEMS IP_VS IP_SCTP BLUETOOTH ATM CAN INFINIBAND NET_VENDOR_3COM ETHERNET PHYLIB MODULES
	NETFILTER_XTABLES IP_NF_IPTABLES IP6_NF_IPTABLES BRIDGE_NF_EBTABLES MISC_FILESYSTEMS CRYPTO_TEST CRYPTO_MANAGER VT KVM VIRTUALIZATION PARPORT
	MEDIA_SUPPORT CONNECTOR NETFILTER UDF_FS VFAT_FS MSDOS_FS ISO9660_FS FUSE_FS QUOTA NLS ASYMMETRIC_KEY_TYPE KEYS`)

// build makes the kernel from Debian's source package; it takes some minutes, and a cross compiler.
func (r *Runner) build(ctx context.Context, version, folder, image string) error {
	const cross = "mips-linux-gnu-"
	if _, err := exec.LookPath(cross + "gcc"); err != nil {
		return fmt.Errorf("%w (Debian: gcc-mips-linux-gnu make flex bison bc libssl-dev)", err)
	}
	package_, err := guest.FetchSource(ctx, suites[version], "linux-source-"+version, r.Cache)
	if err != nil {
		return err
	}
	tar := filepath.Join(package_, "usr/src/linux-source-"+version+".tar.xz")
	work, err := os.MkdirTemp(folder, "work-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	source := filepath.Join(work, "linux-source-"+version)
	fragment := filepath.Join(work, "mips.config")
	if err := os.WriteFile(fragment, mipsConfig, 0o644); err != nil {
		return err
	}
	disable := []string{"scripts/config"}
	for _, option := range needless {
		disable = append(disable, "-d", option)
	}
	for _, step := range []struct {
		in   string
		line []string
	}{
		{work, []string{"tar", "-xf", tar}},
		{source, []string{"make", "-s", "malta_defconfig"}},
		{source, disable},
		{source, []string{"scripts/kconfig/merge_config.sh", "-m", ".config", fragment}},
		{source, []string{"make", "-s", "olddefconfig"}},
		{source, []string{"nice", "make", "-s", fmt.Sprintf("-j%d", runtime.NumCPU()), "vmlinux"}},
		{source, []string{cross + "strip", "vmlinux"}},
	} {
		cmd := exec.CommandContext(ctx, step.line[0], step.line[1:]...)
		if strings.Contains(step.line[0], "/") {
			cmd.Path = filepath.Join(step.in, step.line[0])
		}
		cmd.Dir = step.in
		cmd.Env = append(os.Environ(), "ARCH=mips", "CROSS_COMPILE="+cross)
		cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGTERM}
		cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) } // make ends its compilers then, killed it leaves them
		cmd.WaitDelay = 10 * time.Second
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("run %s: %w: %s", strings.Join(step.line[:min(3, len(step.line))], " "), err, tail(out))
		}
	}
	return os.Rename(filepath.Join(source, "vmlinux"), image)
}

// tail is the end of what a tool printed.
func tail(out []byte) string {
	const most = 2000
	return strings.TrimSpace(string(out[max(0, len(out)-most):]))
}
