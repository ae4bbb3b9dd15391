// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cilium/ebpf"
)

// ErrNoBPF means a kernel that was built without BPF_SYSCALL.
var ErrNoBPF = errors.New("this kernel has no BPF (CONFIG_BPF_SYSCALL)")

// ErrPermission means that the process may not load or attach.
var ErrPermission = errors.New("not permitted: root, or CAP_BPF and CAP_NET_ADMIN, are needed")

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
		return ErrPermission
	case errors.As(err, &verifier):
		return fmt.Errorf("refused by this kernel's verifier, please report with the output of uname -a: %w", err)
	}
	return err
}

func isNotExist(err error) bool { return errors.Is(err, ebpf.ErrKeyNotExist) }
