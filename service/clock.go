// SPDX-License-Identifier: GPL-2.0-only

package service

import (
	"os"
	"strings"
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

// clock tells what a wall clock says, in a way that does not change while nobody sets it.
type clock struct {
	boot    string    // which start of the kernel this is
	started time.Time // when that was, by the wall clock
}

// maxStarted is what a file may say in ms: times that fit account's.
const maxStarted = 1 << 43

func readClock() clock {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return clock{}
	}
	return clock{strings.TrimSpace(string(boot)), time.Now().Round(0).Add(-sinceBoot())}
}

// setSince tells by how much the wall clock was set since an earlier reading; of another start of the kernel nothing is
// known.
func (c clock) setSince(earlier clock) time.Duration {
	if c.boot == "" || c.boot != earlier.boot {
		return 0
	}
	return c.started.Sub(earlier.started)
}
