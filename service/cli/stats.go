// SPDX-License-Identifier: GPL-2.0-only

package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mezoura/mezoura/ubus/blobmsg"
)

// form is how stats prints.
type form int

const (
	asTable form = iota
	asJSON
	asCSV
)

// stats prints what every host has used, or one host (hostname) or network. wide is that of the terminal, 0 without one.
func stats(ctx context.Context, bus caller, out io.Writer, f form, hostname, network string, wide int) error {
	l, err := fetch(ctx, bus, hostname, network)
	if err != nil {
		return err
	}
	if len(l.Hosts) == 0 && hostname != "" {
		return fmt.Errorf("no host %q: mezoura stats lists all", hostname)
	}
	w := bufio.NewWriter(out)
	switch f {
	case asJSON:
		err = writeJSON(w, l)
	case asCSV:
		err = writeCSV(w, l)
	default:
		writeTable(w, l, hostname, wide)
	}
	if err != nil {
		return err
	}
	return w.Flush()
}

func writeTable(w io.Writer, l *listing, hostname string, wide int) {
	if len(l.Hosts) == 0 {
		fmt.Fprintf(w, "No host yet, in %s of counting (mezoura status says what is watched)\n", durationText(l.Uptime))
		return
	}
	sortHosts(l.Hosts, byTotal)
	for _, line := range table(l, wide, 0, 0, byTotal) {
		fmt.Fprintln(w, line)
	}
	if hostname != "" {
		for i := range l.Hosts {
			fmt.Fprintln(w)
			for _, line := range details(&l.Hosts[i], l.Time, wide) {
				fmt.Fprintln(w, line)
			}
		}
		return
	}
	if u := l.Unattributed; u.Download.Bytes+u.Upload.Bytes > 0 {
		text := fmt.Sprintf("Of no host: %s down, %s up (mezoura status says why)", bytesText(u.Download.Bytes), bytesText(u.Upload.Bytes))
		for _, line := range wrap(text, wide) {
			fmt.Fprintln(w, line)
		}
	}
}

// writeJSON prints what `ubus call mezoura stats` would if a message of ubus had no limit: the hosts of all pages in one
// list. It is put together from text, since a table of that size could not be made.
func writeJSON(w io.Writer, l *listing) error {
	separator := "{\n"
	for name, value := range l.pages[0].All() {
		if name == "listing" {
			continue
		}
		text, err := field(name, value)
		if err != nil {
			return err
		}
		if name == "hosts" && len(l.Hosts) > 0 {
			end := []byte("\n\t]")
			for _, p := range l.pages[1:] {
				if p.Array("hosts").Len() == 0 {
					continue
				}
				more, err := field(name, p.Get("hosts"))
				if err != nil {
					return err
				}
				text = append(append(bytes.TrimSuffix(text, end), ','), more[bytes.IndexByte(more, '[')+1:]...)
			}
		}
		if _, err := io.WriteString(w, separator); err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		separator = ",\n"
	}
	_, err := io.WriteString(w, "\n}\n")
	return err
}

// field is one line, or more, of a table as the ubus tool prints it.
func field(name string, value blobmsg.Value) ([]byte, error) {
	t, err := blobmsg.Marshal(blobmsg.Fields{{Name: name, Value: value}})
	if err != nil {
		return nil, fmt.Errorf("print %s: %w", name, err)
	}
	return bytes.TrimSuffix(bytes.TrimPrefix(t.AppendJSONIndent(nil), []byte("{\n")), []byte("\n}")), nil
}

// cell is text that a spreadsheet takes for text: what begins with =, +, - or @ (or their full-width forms) it would take for
// a formula, and host names come from anybody. Such a one gets a quote in front.
func cell(text string) string {
	text = printable(text)
	if first, _ := utf8.DecodeRuneInString(strings.TrimLeft(text, " ")); strings.ContainsRune("=+-@＝＋－＠", first) && text != "" {
		return "'" + text
	}
	return text
}

// writeCSV prints a line for each host.
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
		err := c.Write([]string{h.MAC, cell(h.Hostname), cell(h.Network), cell(h.Device), strings.Join(ips, " "),
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
