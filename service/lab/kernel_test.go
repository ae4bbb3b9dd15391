// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/lab"
)

func kernelAtLeast(t testing.TB, major, minor int) bool {
	t.Helper()
	is, err := lab.KernelAtLeast(major, minor)
	check(t, err)
	return is
}

func parseMAC(s string) (net.HardwareAddr, error) { return net.ParseMAC(s) }

// withoutBPF as first argument makes the test binary run a command on a kernel that, to it, has no bpf(2).
const withoutBPF = "run-without-bpf"

// runWithoutBPF replaces this process; it returns only when it fails. The filter compares the system call's number
// only: it is installed and inherited on one architecture.
func runWithoutBPF(args []string) error {
	runtime.LockOSThread()
	const loadNumber, number = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, 0
	filter := []unix.SockFilter{
		{Code: loadNumber, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_BPF, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(syscall.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return fmt.Errorf("set seccomp filter: %w", err)
	}
	runtime.KeepAlive(filter)
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return errors.Join(errors.New("exec"), syscall.Exec(path, args, os.Environ()))
}
