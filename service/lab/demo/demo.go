// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// demo is the home, the daemon in it and the hosts' meters.
type demo struct {
	home   *lab.Home
	setup  *lab.Setup
	daemon *lab.Daemon
	names  []string
	meters []*lab.Meter
}

// conversation is what one host does on the internet, in each family.
type conversation struct {
	tcpUp, tcpDown int64 // bytes
	udpUp, udpDown int   // datagrams
	size           int
}

var conversations = []conversation{
	{tcpUp: 3_000_000, tcpDown: 25_000_000, udpUp: 400, udpDown: 2500, size: 1200},
	{tcpUp: 12_000_000, tcpDown: 5_000_000, udpUp: 1500, udpDown: 300, size: 160},
}

// open builds the home and starts the daemon. What it has built is gone again if it fails.
func open(binary string) (d *demo, err error) {
	l, err := lab.Open()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	d = &demo{names: []string{"koko", "tablet"}}
	if d.home, err = l.Home(len(d.names)); err != nil {
		return nil, err
	}
	if binary, err = filepath.Abs(binary); err != nil {
		return nil, err
	}
	if d.setup, err = l.Setup(binary, d.home.Router.Namespace, d.home.Flags()...); err != nil {
		return nil, err
	}
	if err := d.writeNames(); err != nil {
		return nil, err
	}
	for _, h := range d.home.Hosts {
		m, err := h.Meter()
		if err != nil {
			return nil, err
		}
		d.meters = append(d.meters, m)
	}
	start := time.Now()
	if d.daemon, err = l.Start(d.setup); err != nil {
		return nil, err
	}
	if err := d.daemon.Ready(context.Background(), d.home.Attached...); err != nil {
		return nil, err
	}
	d.picture(time.Since(start))
	return d, nil
}

// writeNames gives the hosts the names that the router's /etc/config/dhcp would.
func (d *demo) writeNames() error {
	var b strings.Builder
	for i, h := range d.home.Hosts {
		fmt.Fprintf(&b, "config host\n\toption name '%s'\n\toption mac '%s'\n\toption ip '%s'\n\n", d.names[i], strings.ToUpper(h.MAC), h.IPv4)
	}
	return os.WriteFile(filepath.Join(d.setup.Config, "dhcp"), []byte(b.String()), 0o644)
}

func (d *demo) close() {
	if err := d.home.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "demo: clean up:", err)
	}
}

// show sends the traffic and prints what came of it. The code is 1 when counted and sent differ.
func (d *demo) show(ctx context.Context) (int, error) {
	if err := d.send(ctx); err != nil {
		return 1, err
	}
	want, err := lab.Expect(d.home.Hosts, d.meters)
	if err != nil {
		return 1, err
	}
	report, wrong := d.daemon.Await(ctx, want)
	if report == nil {
		return 1, wrong
	}
	d.printHosts(report)
	printMetrics(report)
	d.printComparison(report, want)
	stats, err := d.setup.Ask("stats")
	if err != nil {
		return 1, err
	}
	heading("mezoura stats, over ubus")
	fmt.Print(stats)
	if wrong != nil {
		fmt.Printf("\nNOT what was sent:\n%v\n", wrong)
		return 1, nil
	}
	fmt.Println("\nCounted is what was sent, to the packet and to the byte.")
	return 0, nil
}

// send has both hosts talk at the same time.
func (d *demo) send(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lab.StreamTime)
	defer cancel()
	start := time.Now()
	done := make(chan error, len(d.home.Hosts))
	for i, h := range d.home.Hosts {
		go func() { done <- converse(ctx, h, d.home.Internet, conversations[i]) }()
	}
	var err error
	for range d.home.Hosts {
		err = errors.Join(err, <-done)
	}
	if err == nil {
		d.printSent(time.Since(start))
	}
	return err
}

func converse(ctx context.Context, h *lab.Host, in *lab.Internet, c conversation) error {
	for _, f := range lab.Families {
		tcp := lab.Stream{Client: h.Namespace, From: h.Addr(f), Server: in.Namespace, Listen: in.Addr(f),
			Upload: c.tcpUp, Download: c.tcpDown, Buffer: 256 << 10}
		if _, _, err := tcp.Run(ctx); err != nil {
			return err
		}
		udp := lab.Datagrams{Client: h.Namespace, From: h.Addr(f), Server: in.Namespace, Listen: in.Addr(f),
			Upload: c.udpUp, Download: c.udpDown, Size: c.size}
		if _, err := udp.Run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// trickle keeps a little traffic going until it is told to end.
func (d *demo) trickle(ctx context.Context) error {
	done := make(chan error, len(d.home.Hosts))
	for i, h := range d.home.Hosts {
		go func() {
			udp := lab.Datagrams{Client: h.Namespace, Server: d.home.Internet.Namespace, Listen: d.home.Internet.Addr(lab.Families[i%2]),
				Upload: lab.Until, Download: lab.Until, Stop: ctx.Done(), Size: 1000, Pause: time.Duration(5+10*i) * time.Millisecond}
			_, err := udp.Run(context.WithoutCancel(ctx))
			done <- err
		}()
	}
	var err error
	for range d.home.Hosts {
		err = errors.Join(err, <-done)
	}
	return err
}

// publish gives the namespaces names for `ip netns exec`.
func (d *demo) publish() error {
	spaces := map[string]*lab.Namespace{"router": d.home.Router.Namespace, "internet": d.home.Internet.Namespace}
	for i, h := range d.home.Hosts {
		spaces[d.names[i]] = h.Namespace
	}
	for name, n := range spaces {
		if err := d.home.Publish(n, prefix+name); err != nil {
			return fmt.Errorf("%w (does another demo still run? If not: ip netns del %s)", err, prefix+name)
		}
	}
	return nil
}

// prefix begins the namespaces' names.
const prefix = "mezoura-demo-"
