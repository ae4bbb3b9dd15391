// SPDX-License-Identifier: GPL-2.0-only

package soak

// ParseGoroutines and Grown are the count of goroutines and its judgement.
func ParseGoroutines(lines []string) map[string]int { return parseGoroutines(lines) }

func Grown(now, before map[string]int) error { return goroutines(now).grown(before) }

// Left judges what the kernel has of the daemons.
func Left(maps, pins, before int) []string {
	return footprint{maps: maps, pins: pins}.left(footprint{maps: before, pins: before})
}
