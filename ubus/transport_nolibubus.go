// SPDX-License-Identifier: GPL-2.0-only

//go:build !(libubus && cgo)

package ubus

// dialLibubus is nil where the binary was built without libubus.
var dialLibubus dialer
