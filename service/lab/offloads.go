// SPDX-License-Identifier: GPL-2.0-only

package lab

// Offloads are the segmentation offloads of a device: whether it takes super-packets (TSO, UDP segmentation), whether
// the stack builds them (GSO), and whether what it receives is merged (GRO).
type Offloads struct{ TSO, GSO, GRO bool }

// SetOffloads switches the offloads of a device of the namespace.
func (n *Namespace) SetOffloads(device string, o Offloads) error {
	word := map[bool]string{true: "on", false: "off"}
	_, err := n.Run("ethtool", "-K", device,
		"gso", word[o.GSO], "tso", word[o.TSO], "tx-udp-segmentation", word[o.TSO], "gro", word[o.GRO])
	return err
}
