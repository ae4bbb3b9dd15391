// SPDX-License-Identifier: GPL-2.0-only

// Package cli is the commands that ask a running daemon over ubus: stats, status and top.
//
// Names come from clients of the network; nothing of them reaches a terminal but printable characters.
package cli
