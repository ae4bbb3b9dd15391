// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

func heading(text string) {
	fmt.Printf("\n== %s %s\n\n", text, strings.Repeat("=", max(0, 96-len(text))))
}

// picture draws the home.
func (d *demo) picture(ready time.Duration) {
	heading("A home of network namespaces")
	h := d.home
	for i, host := range h.Hosts {
		fmt.Printf("  %-8s %s  %s  %s --- %s\n", d.names[i], host.MAC, host.IPv4, host.IPv6, host.Port)
	}
	w := h.Router.Networks[0]
	fmt.Printf("  router   %s (%s, %s) of %s; wan %s (IPv4 masqueraded), %s\n", w.Device, w.Prefix4, w.Prefix6, strings.Join(h.Attached, ", "), h.Router.WAN4, h.Router.WAN6)
	fmt.Printf("  internet %s, %s\n\n", h.Internet.IPv4, h.Internet.IPv6)
	fmt.Printf("  mezoura %s\n  counts on %s, %d ms after its start.\n", strings.Join(d.setup.Args, " "), strings.Join(h.Attached, " and "), ready.Milliseconds())
}

func (d *demo) printSent(took time.Duration) {
	heading("Sent over each of IPv4 and IPv6, payload")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "host\tTCP up\tTCP down\tUDP up\tUDP down\t")
	for i, c := range conversations {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d x %d B\t%d x %d B\t\n", d.names[i], size(uint64(c.tcpUp)), size(uint64(c.tcpDown)), c.udpUp, c.size, c.udpDown, c.size)
	}
	w.Flush()
	fmt.Printf("in %.1f s, segmentation offloads on\n", took.Seconds())
}

// printHosts is the table of what was counted.
func (d *demo) printHosts(r *lab.Report) {
	heading("Counted, by host")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "host\tMAC\tnetwork\tdownload\tpackets\tupload\tpackets\tof it IPv6 down\tup\t")
	for i, h := range d.home.Hosts {
		six := r.Host(h, lab.IPv6)
		all := six.Add(r.Host(h, lab.IPv4))
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%d\t%s\t%s\t\n", d.names[i], h.MAC, h.Network.Device,
			size(all.Download.Bytes), all.Download.Packets, size(all.Upload.Bytes), all.Upload.Packets, size(six.Download.Bytes), size(six.Upload.Bytes))
	}
	w.Flush()
}

func printMetrics(r *lab.Report) {
	heading(fmt.Sprintf("Metrics, as scraped from http://127.0.0.1:%d/metrics in the router", lab.Port))
	fmt.Print(r.Text)
}

// printComparison holds counted against sent, line by line.
func (d *demo) printComparison(r *lab.Report, want []lab.Expectation) {
	heading("Counted against sent: bytes of layer 2, and packets")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "host\tfamily\tdirection\tsent\tcounted\tsent\tcounted\t\t")
	names := map[*lab.Host]string{}
	for i, h := range d.home.Hosts {
		names[h] = d.names[i]
	}
	for _, e := range want {
		got := r.Host(e.Host, e.Family)
		for _, line := range []struct {
			direction     string
			sent, counted lab.Traffic
		}{{"download", e.Counts.Download, got.Download}, {"upload", e.Counts.Upload, got.Upload}} {
			verdict := "equal"
			if line.sent != line.counted {
				verdict = "DIFFERENT"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d B\t%d B\t%d\t%d\t%s\t\n", names[e.Host], e.Family, line.direction,
				line.sent.Bytes, line.counted.Bytes, line.sent.Packets, line.counted.Packets, verdict)
		}
	}
	w.Flush()
	fmt.Println("(sent: counted frame by frame at each host's own end of the wire, apart from the daemon)")
}

// explain tells how to look around in what was left running, and how to end it.
func (d *demo) explain() {
	heading("It stays up, with a little traffic")
	fmt.Printf(`  look:  ip netns exec %[1]srouter curl -s http://127.0.0.1:%[2]d/metrics
         %[3]s top -ubus-socket %[4]s
         %[3]s stats -ubus-socket %[4]s
         cat %[5]s
         ip netns exec %[1]srouter tc filter show dev %[6]s ingress
         ip netns exec %[1]s%[7]s ip addr
  end:   kill %[8]d
`, prefix, lab.Port, d.setup.Binary, d.setup.Ubus, d.setup.Textfile, d.home.Attached[0], d.names[0], os.Getpid())
}

// size writes bytes for people.
func size(bytes uint64) string {
	value, unit := float64(bytes), "B"
	for _, next := range []string{"KiB", "MiB", "GiB"} {
		if value < 1024 {
			break
		}
		value, unit = value/1024, next
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
