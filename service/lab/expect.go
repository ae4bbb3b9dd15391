// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Expectation is what the daemon has to say of one host in one family.
type Expectation struct {
	Host   *Host
	Family Family
	Counts Counts
}

// Expect turns the readings of the hosts' meters, in the order of hosts, into expectations. It waits until nothing is
// on its way any more.
func Expect(hosts []*Host, meters []*Meter) ([]Expectation, error) {
	var list []Expectation
	for i, h := range hosts {
		seen, err := meters[i].Settled()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.Name, err)
		}
		// The headers of later fragments are shared along the veths: the router, forwarding them, writes its own address
		// into what the meter has yet to read. They are this host's all the same.
		if late, ok := seen.Internet[h.Network.router.WAN4]; ok {
			seen.Internet[h.IPv4] = seen.Internet[h.IPv4].Add(late)
			delete(seen.Internet, h.Network.router.WAN4)
		}
		for addr := range seen.Internet {
			if addr != h.IPv4 && addr != h.IPv6 {
				return nil, fmt.Errorf("%s: %s sends or receives on its wire and is nobody's address", h.Name, addr)
			}
		}
		for _, f := range Families {
			c := seen.Internet[h.Addr(f)]
			c.Download.Bytes += c.Download.Packets * h.TagBytes
			c.Upload.Bytes += c.Upload.Packets * h.TagBytes
			list = append(list, Expectation{h, f, c})
		}
	}
	return list, nil
}

// Differences tells what the report has otherwise than expected: of each host, and of all hosts together, so that
// nothing may be counted a second time elsewhere.
func (r *Report) Differences(list []Expectation) []string {
	var wrong []string
	var total Counts
	type row struct {
		identity, network string
		family            Family
	}
	rowOf := func(e Expectation) row { return row{e.Host.identity(e.Family), e.Host.Network.Device, e.Family} }
	sums := map[row]Counts{} // machines that share a row
	for _, e := range list {
		total = total.Add(e.Counts)
		sums[rowOf(e)] = sums[rowOf(e)].Add(e.Counts)
	}
	for _, e := range list {
		if got, want := r.Host(e.Host, e.Family), sums[rowOf(e)]; got != want {
			wrong = append(wrong, fmt.Sprintf("%s %s on %s: counted %s, sent %s", e.Host.Name, e.Family, e.Host.Network.Device, got, want))
		}
	}
	if got := r.Counts(); got != total {
		wrong = append(wrong, fmt.Sprintf("all hosts: counted %s, sent %s", got, total))
	}
	return wrong
}

func (c Counts) String() string {
	return fmt.Sprintf("%d B/%d down %d B/%d up", c.Download.Bytes, c.Download.Packets, c.Upload.Bytes, c.Upload.Packets)
}

// patience is how long Await gives the daemon to come to the right numbers.
const patience = 10 * time.Second

// Await waits until the daemon says what is expected, and then sees that it stays so: a packet counted twice would
// show a moment later. The error lists the differences.
func (d *Daemon) Await(ctx context.Context, list []Expectation) (*Report, error) {
	deadline := time.Now().Add(patience + 3*d.Setup.Interval)
	confirm := time.Time{}
	for {
		r, err := d.Scrape(ctx)
		var wrong []string
		if err == nil {
			wrong = r.Differences(list)
		}
		switch now := time.Now(); {
		case err == nil && wrong == nil && confirm.IsZero():
			confirm = now.Add(d.Setup.Interval + d.Setup.Interval/2)
		case err == nil && wrong == nil && now.After(confirm):
			return r, nil
		case err != nil && (closed(d.exited) || now.After(deadline)):
			return nil, fmt.Errorf("%w; the daemon says: %s", err, strings.Join(d.Output(), "; "))
		case wrong != nil && (!confirm.IsZero() || now.After(deadline)):
			return r, errors.New(strings.Join(wrong, "\n"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}
