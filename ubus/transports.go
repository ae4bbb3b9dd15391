// SPDX-License-Identifier: GPL-2.0-only

package ubus

import "fmt"

// Transports lists the transports that were built in, the default first.
func Transports() []string {
	if dialLibubus != nil {
		return []string{"libubus", "wire"}
	}
	return []string{"wire"}
}

func findTransport(name string) (string, dialer, error) {
	if name == "" {
		name = Transports()[0]
	}
	switch {
	case name == "wire":
		return name, dialWire, nil
	case name == "libubus" && dialLibubus != nil:
		return name, dialLibubus, nil
	case name == "libubus":
		return "", nil, fmt.Errorf("transport libubus was not built in")
	}
	return "", nil, fmt.Errorf("transport %q is unknown", name)
}
