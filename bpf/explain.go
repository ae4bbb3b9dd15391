// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// ErrNoBPF means a kernel that was built without BPF_SYSCALL.
var ErrNoBPF = errors.New("this kernel has no BPF (CONFIG_BPF_SYSCALL)")

// ErrPermission means that the process may not load or attach.
var ErrPermission = errors.New("not permitted: root, or CAP_BPF and CAP_NET_ADMIN, are needed")

// missing names the capabilities that this process does not have of those it needs.
func missing() string {
	var names []string
	for _, c := range []struct {
		name string
		id   int
	}{{"CAP_BPF", unix.CAP_BPF}, {"CAP_NET_ADMIN", unix.CAP_NET_ADMIN}} {
		if !capable(c.id) && (c.id == unix.CAP_NET_ADMIN || !capable(unix.CAP_SYS_ADMIN)) {
			names = append(names, c.name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; missing: " + strings.Join(names, ", ")
}

// capable tells whether this process has the capability; where that can not be known, it has.
func capable(c int) bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&hdr, &data[0]) != nil || data[c/32].Effective>>(c%32)&1 != 0
}

// explain puts what the kernel's error means here in front of it. The library's own hint on a refusal names the
// limit on locked memory, which is nearly never the cause.
func explain(err error) error {
	var verifier *ebpf.VerifierError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSYS):
		return ErrNoBPF
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("%w%s", ErrPermission, missing())
	case errors.As(err, &verifier) && !capable(unix.CAP_PERFMON) && !capable(unix.CAP_SYS_ADMIN):
		return fmt.Errorf("refused by this kernel's verifier, which is stricter without CAP_PERFMON: "+
			"give that as well, and please report with the output of uname -a: %w", err)
	case errors.As(err, &verifier):
		return fmt.Errorf("refused by this kernel's verifier, please report with the output of uname -a: %w", err)
	}
	return err
}

func isNotExist(err error) bool { return errors.Is(err, ebpf.ErrKeyNotExist) }
