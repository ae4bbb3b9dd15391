// SPDX-License-Identifier: GPL-2.0-only

package links

import "net/netip"

// The decoders, for tests and fuzzing from outside.
var (
	DecodeLink = decodeLink
	DecodePVID = decodePVID
)

func DecodeAddress(data []byte) (index int, local, peer netip.Prefix, ok bool, err error) {
	a, ok, err := decodeAddress(data)
	return a.index, a.local, a.peer, ok, err
}
