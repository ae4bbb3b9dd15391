// SPDX-License-Identifier: GPL-2.0-only

package config

import "reflect"

// Change is what differs between two configurations, by the part of the daemon
// that has to act. A reload touches what is true here and nothing else.
type Change struct {
	Networks bool // which networks, subnets and prefixes are watched, what is internal
	Attach   bool // how programs are attached: they have to be attached anew
	Table    bool // the size of the kernel's table
	Limits   bool // idle, expire and the limits of the book
	Interval bool
	Textfile bool // which files, and whether they have the original's families
	Exporter bool // whether and where it listens, and whether it has the original's families
	Names    bool // sources, aliases, files
	Ubus     bool // which socket, whose broker

	Restart []string // options that take effect only when the daemon is started again
	Options []string // every option that changed, for the log
}

// Any tells whether anything changed at all.
func (c Change) Any() bool { return len(c.Options) > 0 }

// Diff compares two configurations.
func Diff(before, after Config) Change {
	var c Change
	note := func(option string, a, b any) bool {
		if reflect.DeepEqual(a, b) {
			return false
		}
		c.Options = append(c.Options, option)
		return true
	}
	set := func(part *bool, option string, a, b any) {
		if note(option, a, b) {
			*part = true
		}
	}
	restart := func(option string, a, b any) {
		if note(option, a, b) {
			c.Restart = append(c.Restart, option)
		}
	}
	restart("enabled", before.Enabled, after.Enabled)
	set(&c.Networks, "network", list(before.Networks), list(after.Networks))
	set(&c.Networks, "subnet", list(before.Subnets), list(after.Subnets))
	set(&c.Networks, "prefix6", list(before.Prefixes6), list(after.Prefixes6))
	set(&c.Networks, "internal", list(before.Internal), list(after.Internal))
	set(&c.Attach, "attach", before.Attach, after.Attach)
	set(&c.Interval, "interval", before.Interval, after.Interval)
	set(&c.Table, "table_size", before.TableSize, after.TableSize)
	set(&c.Limits, "idle", before.Idle, after.Idle)
	set(&c.Limits, "expire", before.Expire, after.Expire)
	set(&c.Limits, "max_hosts", before.MaxHosts, after.MaxHosts)
	set(&c.Limits, "max_addresses", before.MaxAddresses, after.MaxAddresses)
	set(&c.Limits, "max_host_addresses", before.MaxHostAddresses, after.MaxHostAddresses)
	set(&c.Textfile, "textfile", list(before.Textfiles), list(after.Textfiles))
	set(&c.Exporter, "exporter", before.Exporter, after.Exporter)
	set(&c.Exporter, "listen", before.Listen, after.Listen)
	set(&c.Exporter, "port", before.Port, after.Port)
	if note("compat", before.Compat, after.Compat) {
		c.Textfile, c.Exporter = true, true
	}
	set(&c.Names, "names", list(before.Names), list(after.Names))
	set(&c.Names, "alias", list(before.Aliases), list(after.Aliases))
	set(&c.Names, "leases", before.Paths, after.Paths)
	set(&c.Ubus, "ubus_socket", before.UbusSocket, after.UbusSocket)
	set(&c.Ubus, "ubus_embedded", before.UbusEmbedded, after.UbusEmbedded)
	restart("memory_limit", before.MemoryLimit, after.MemoryLimit)
	restart("procs", before.Procs, after.Procs)
	restart("state", before.StateDir, after.StateDir)
	restart("bpffs", before.BPFFS, after.BPFFS)
	return c
}

// list makes an empty list and none the same.
func list[T any](l []T) []T {
	if len(l) == 0 {
		return nil
	}
	return l
}
