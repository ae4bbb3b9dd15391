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
		Up       bool     `blobmsg:"up"`
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

// status prints the daemon's state in words, or as JSON. wide is that of the terminal, 0 without one.
func status(ctx context.Context, bus caller, out io.Writer, json bool, wide int) error {
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
	const indent = 12
	said := ""
	line := func(what, format string, args ...any) {
		title := what
		if what == said {
			title = ""
		}
		said = what
		room := 0
		if wide > 0 {
			room = max(wide-indent, 20)
		}
		for _, text := range wrap(printable(fmt.Sprintf(format, args...)), room) {
			fmt.Fprintf(w, "%-*s%s\n", indent, title, text)
			title = ""
		}
	}
	line("Version", "%s, kernel %s, counting for %s, reading every %v s", s.Version, s.Kernel, durationText(s.Uptime), reply.Get("interval").Any())
	line("Ubus", "%s", transportText(s.Transport))
	for _, n := range s.Networks {
		line("Networks", "%s", networkText(n.Name, n.Device, n.Up, n.Prefixes))
	}
	if len(s.Networks) == 0 {
		line("Networks", "none is watched")
	}
	for _, a := range s.Attachments {
		switch {
		case a.Error != "":
			line("Devices", "%s is not counted: %s", a.Device, a.Error)
		case a.Mode == "waiting":
			line("Devices", "%s is waited for", a.Device)
		default:
			line("Devices", "%s by %s", a.Device, a.Mode)
		}
	}
	table := fmt.Sprintf("%d of %d addresses", s.Table.Entries, s.Table.Capacity)
	if s.Table.Conflicts > 0 {
		table += fmt.Sprintf(", %d without a row of their own", s.Table.Conflicts)
	}
	line("Table", "%s", table)
	line("Offloading", "%s", offloadText(s.Offload.Software, s.Offload.Hardware, s.Offload.Source))
	for name, v := range reply.Table("unattributed").All() {
		if t, ok := v.Table(); ok {
			if d, u := t.Table("download").Int("bytes"), t.Table("upload").Int("bytes"); d+u > 0 {
				line("Of no host", "%s down, %s up: %s", bytesText(d), bytesText(u), reasonText(name))
			}
		}
	}
	for _, text := range s.Warnings {
		line("Warning", "%s", text)
	}
	return w.Flush()
}

func networkText(name, device string, up bool, prefixes []string) string {
	text := name
	if device != "" {
		text += " on " + device
	}
	if !up {
		text += ", down"
	}
	if len(prefixes) == 0 {
		return text + ": no addresses known yet"
	}
	return text + ": " + strings.Join(prefixes, ", ")
}

func transportText(transport string) string {
	switch transport {
	case "":
		return "not connected"
	case "embedded":
		return "the daemon's own"
	}
	return "connected by " + transport
}

func offloadText(software, hardware bool, source string) string {
	text := "none"
	switch {
	case hardware:
		text = "in hardware"
	case software:
		text = "in software"
	}
	if source != "" && (hardware || software) {
		text += " (" + source + ")"
	}
	return text
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
