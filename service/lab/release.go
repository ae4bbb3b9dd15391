// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// KernelAtLeast tells whether this kernel is of that version or later.
func KernelAtLeast(major, minor int) (bool, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return false, fmt.Errorf("ask for the kernel's version: %w", err)
	}
	release := unix.ByteSliceToString(name.Release[:])
	var a, b int
	if _, err := fmt.Sscanf(release, "%d.%d", &a, &b); err != nil {
		return false, fmt.Errorf("kernel's version %q: %w", release, err)
	}
	return a > major || a == major && b >= minor, nil
}
