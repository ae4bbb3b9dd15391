// SPDX-License-Identifier: GPL-2.0-only

package offload

// The decoder and its idea of what a kernel lacks, for tests and fuzzing from outside.
var (
	DecodeFlowtable = decodeFlowtable
	Absent          = absent
)
