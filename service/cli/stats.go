// SPDX-License-Identifier: GPL-2.0-only

package cli

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mezoura/mezoura/ubus/blobmsg"
)

// form is how stats prints.
type form int

const (
	asTable form = iota
	asJSON
	asCSV
)

func stats(ctx context.Context, bus caller, out io.Writer, f form, hostname, network string, wide int) error {
	l, err := fetch(ctx, bus, hostname, network)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	switch f {
	case asJSON:
		err = writeJSON(w, l)
	case asCSV:
		err = writeCSV(w, l)
	default:
		if len(l.Hosts) == 0 && hostname != "" {
			return fmt.Errorf("no host %q: mezoura stats lists all", hostname)
		}
		sortHosts(l.Hosts, byTotal)
		for _, line := range table(l, wide, 0) {
			fmt.Fprintln(w, line)
		}
		if u := l.Unattributed; u.Download.Bytes+u.Upload.Bytes > 0 && hostname == "" {
			fmt.Fprintf(w, "Of no host: %s down, %s up (mezoura status says why)\n", bytesText(u.Download.Bytes), bytesText(u.Upload.Bytes))
		}
	}
	if err != nil {
		return err
	}
	return w.Flush()
}

// writeJSON prints what `ubus call mezoura stats` would, with the hosts of all pages.
func writeJSON(w io.Writer, l *listing) error {
	b := blobmsg.NewBuilder(nil)
	first := l.pages[0]
	for name, value := range first.All() {
		switch name {
		case "hosts":
			b.OpenArray("hosts")
			for _, p := range l.pages {
				for h := range p.Array("hosts").All() {
					b.Value("", h)
				}
			}
			b.Close()
		case "listing", "offset":
		default:
			b.Value(name, value)
		}
	}
	t, err := b.Table()
	if err != nil {
		return fmt.Errorf("join pages: %w", err)
	}
	_, err = w.Write(append(t.AppendJSONIndent(nil), '\n'))
	return err
}

// writeCSV prints a line for each host. A spreadsheet takes what begins with =, +, - or @ for a formula, and host
// names come from anybody: such a name gets a quote in front.
func writeCSV(w io.Writer, l *listing) error {
	c := csv.NewWriter(w)
	record := []string{"mac", "hostname", "network", "device", "addresses", "download_bytes", "download_packets", "upload_bytes",
		"upload_packets", "ipv4_download_bytes", "ipv4_upload_bytes", "ipv6_download_bytes", "ipv6_upload_bytes", "first_seen", "last_seen"}
	if err := c.Write(record); err != nil {
		return err
	}
	num := func(n int64) string { return strconv.FormatInt(n, 10) }
	date := func(n int64) string { return time.Unix(n, 0).UTC().Format(time.RFC3339) }
	for i := range l.Hosts {
		h := &l.Hosts[i]
		var ips []string
		for _, a := range h.Addresses {
			ips = append(ips, a.IP)
		}
		name := h.Hostname
		if name != "" && strings.ContainsRune("=+-@\t\r", rune(name[0])) {
			name = "'" + name
		}
		err := c.Write([]string{h.MAC, name, h.Network, h.Device, strings.Join(ips, " "),
			num(h.Download.Bytes), num(h.Download.Packets), num(h.Upload.Bytes), num(h.Upload.Packets),
			num(h.IPv4.Download.Bytes), num(h.IPv4.Upload.Bytes), num(h.IPv6.Download.Bytes), num(h.IPv6.Upload.Bytes),
			date(h.FirstSeen), date(h.LastSeen)})
		if err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}
