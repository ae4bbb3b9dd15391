// SPDX-License-Identifier: GPL-2.0-only

package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
)

type statusReply struct {
	Version     string `blobmsg:"version"`
	Uptime      int64  `blobmsg:"uptime"`
	Transport   string `blobmsg:"transport"`
	Kernel      string `blobmsg:"kernel"`
	Attachments []struct {
		Network string `blobmsg:"network"`
		Device  string `blobmsg:"device"`
		Mode    string `blobmsg:"mode"`
		Error   string `blobmsg:"error"`
	} `blobmsg:"attachments"`
	Networks []struct {
		Name     string   `blobmsg:"name"`
		Device   string   `blobmsg:"device"`
		Prefixes []string `blobmsg:"prefixes"`
	} `blobmsg:"networks"`
	Table struct {
		Entries   int64 `blobmsg:"entries"`
		Capacity  int64 `blobmsg:"capacity"`
		Conflicts int64 `blobmsg:"conflicts"`
	} `blobmsg:"table"`
	Offload struct {
		Software bool   `blobmsg:"software"`
		Hardware bool   `blobmsg:"hardware"`
		Source   string `blobmsg:"source"`
	} `blobmsg:"offload"`
	Warnings []string `blobmsg:"warnings"`
}

func status(ctx context.Context, bus caller, out io.Writer, json bool) error {
	reply, err := bus.Call(ctx, object, "status", nil)
	if err != nil {
		return explain(err)
	}
	if json {
		_, err := out.Write(append(reply.AppendJSONIndent(nil), '\n'))
		return err
	}
	var s statusReply
	if err := reply.Unmarshal(&s); err != nil {
		return fmt.Errorf("read reply of status: %w", err)
	}
	w := bufio.NewWriter(out)
	line := func(what, format string, args ...any) {
		fmt.Fprintf(w, "%-13s %s\n", what, printable(fmt.Sprintf(format, args...)))
	}
	line("Version", "%s on kernel %s, ubus %s, counting for %s", s.Version, s.Kernel, s.Transport, durationText(s.Uptime))
	for _, n := range s.Networks {
		line("Network", "%s on %s: %s", n.Name, n.Device, strings.Join(n.Prefixes, ", "))
	}
	for _, a := range s.Attachments {
		text := a.Device + " by " + a.Mode
		if a.Mode == "waiting" {
			text = a.Device + ": waiting"
		}
		if a.Error != "" {
			text += ": " + a.Error
		}
		line("Device", "%s", text)
	}
	line("Table", "%d of %d addresses, %d without a row of their own", s.Table.Entries, s.Table.Capacity, s.Table.Conflicts)
	switch {
	case s.Offload.Hardware:
		line("Offloading", "hardware (%s)", s.Offload.Source)
	case s.Offload.Software:
		line("Offloading", "software (%s)", s.Offload.Source)
	default:
		line("Offloading", "none")
	}
	for name, v := range reply.Table("unattributed").All() {
		if t, ok := v.Table(); ok {
			if d, u := t.Table("download").Int("bytes"), t.Table("upload").Int("bytes"); d+u > 0 {
				line("Of no host", "%s: %s down, %s up", reasonText(name), bytesText(d), bytesText(u))
			}
		}
	}
	for _, text := range s.Warnings {
		line("Warning", "%s", text)
	}
	return w.Flush()
}

// reasonText says a reason in words.
func reasonText(reason string) string {
	switch reason {
	case "no_prefix":
		return "addresses in no watched network"
	case "table_full":
		return "no room in the table"
	case "multicast":
		return "to a group of hosts"
	case "malformed":
		return "impossible senders"
	case "limit":
		return "more hosts than are told apart"
	}
	return reason
}
