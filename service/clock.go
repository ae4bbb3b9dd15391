// SPDX-License-Identifier: GPL-2.0-only

package service

import (
	"time"

	"golang.org/x/sys/unix"
)

// sinceBoot is the time since the kernel started, sleep included; it never jumps.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0 // the kernel has had this clock since 2.6.39
	}
	return time.Duration(ts.Nano())
}
