// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// endWithJail has the kernel ask us to end when ujail is killed, as procd then starts another daemon. Releases of OpenWrt
// up to 25.12 would leave this one behind: unknown to procd, and with the lock. In a jail of procd's we are process 1, and
// ujail is our parent.
func endWithJail() {
	if os.Getpid() == 1 {
		_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0)
	}
}
