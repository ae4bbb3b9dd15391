// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// Options say how long and how.
type Options struct {
	Binary   string
	Duration time.Duration
	Seed     uint64
	Logf     func(format string, args ...any)
}

const (
	hosts = 4
	// checkEvery is the pause between checkpoints.
	checkEvery = 20 * time.Second
	// calm is the part of the time at the end without kills: a daemon that is always new cannot leak.
	calm = 0.4
	// diskSize is that of the disks that run full.
	diskSize = 256 << 10
)

// soak is one run.
type soak struct {
	Options
	random *rand.Rand
	home   *lab.Home
	setup  *lab.Setup
	daemon *lab.Daemon
	broker *bus
	guests []*guest
	watch  *watch
	ours   objects
	disks  []string // folders that can be filled
	net    int      // the last network that was made
	done   map[string]int
}

// guest is a host with what is known about it.
type guest struct {
	*lab.Host
	meter   *lab.Meter
	earlier map[lab.Family]lab.Counts // of meters that have gone with their devices
	talk    *lab.Background
}

// Run soaks a daemon. Its error is the first thing that was wrong.
func Run(ctx context.Context, o Options) (err error) {
	l, err := lab.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	s := &soak{Options: o, random: rand.New(rand.NewPCG(o.Seed, o.Seed)), net: 1, done: map[string]int{}, ours: newObjects()}
	if err := s.build(l); err != nil {
		return fmt.Errorf("build home: %w", err)
	}
	defer s.broker.close()
	if err := s.run(ctx); err != nil {
		return fmt.Errorf("%w; the daemon says: %s", err, strings.Join(s.daemon.Output(), "; "))
	}
	s.daemon.Kill()
	if err := s.setup.Detach(); err != nil {
		return err
	}
	return s.ours.gone(ctx)
}

func (s *soak) build(l *lab.Lab) (err error) {
	if s.home, err = l.Home(hosts); err != nil {
		return err
	}
	h := s.home
	// Networks are configured by the file, so that a reload has something to read; the broker is ours, to be restarted.
	if s.setup, err = l.Setup(s.Binary, h.Router.Namespace, "-ubus-embedded=0"); err != nil {
		return err
	}
	for _, place := range []struct {
		name string
		path *string
		file string
	}{{"textdisk", &s.setup.Textfile, "prom_c"}, {"statedisk", &s.setup.State, "state"}} {
		disk, err := l.Mount(place.name, "tmpfs", fmt.Sprintf("size=%d", diskSize))
		if err != nil {
			return err
		}
		*place.path = filepath.Join(disk, place.file)
		s.disks = append(s.disks, disk)
	}
	if err := s.configure(""); err != nil {
		return err
	}
	if s.broker, err = startBroker(s.setup.Ubus); err != nil {
		return err
	}
	for _, host := range h.Hosts {
		g := &guest{Host: host, earlier: map[lab.Family]lab.Counts{}}
		if err := s.wire(g); err != nil {
			return err
		}
		s.guests = append(s.guests, g)
	}
	if err := s.start(); err != nil {
		return err
	}
	s.watch = &watch{setup: s.setup}
	return nil
}

// configure writes the daemon's configuration with more options.
func (s *soak) configure(options string) error {
	text := "config mezoura\n\tlist subnet 'br-lan'\n" + options
	return os.WriteFile(filepath.Join(s.setup.Config, "mezoura"), []byte(text), 0o644)
}

// wire puts a new meter at a host's end of its wire.
func (s *soak) wire(g *guest) (err error) {
	g.meter, err = s.home.Meter(g.Namespace, g.Device, false, s.internal())
	return err
}

// internal judges what is not the internet. The meters know from the start of every network that will be made.
func (s *soak) internal() func(netip.Addr) bool {
	judge := *s.home.Router
	judge.Networks = append([]*lab.Network{}, judge.Networks...)
	for i := 1; i <= lastNetwork; i++ {
		judge.Networks = append(judge.Networks, &lab.Network{
			Prefix4: netip.MustParsePrefix(fmt.Sprintf("192.168.%d.0/24", i)), Prefix6: netip.MustParsePrefix(fmt.Sprintf("2001:db8:1:%x::/64", i))})
	}
	return judge.Internal
}

func (s *soak) start() (err error) {
	if s.daemon, err = s.home.Start(s.setup); err != nil {
		return err
	}
	if err := s.daemon.Ready(context.Background(), s.home.Attached...); err != nil {
		return err
	}
	return s.ours.note(s.daemon.PID(), s.setup.BPFFS)
}

func (s *soak) run(ctx context.Context) error {
	began := time.Now()
	until := func(part float64) bool {
		return ctx.Err() == nil && time.Since(began) < time.Duration(part*float64(s.Duration))
	}
	for _, g := range s.guests {
		s.resume(g)
	}
	var before footprint
	phase := func(end float64, events []event) error {
		for until(end) {
			checked := time.Now()
			for until(end) && time.Since(checked) < checkEvery {
				e := events[s.random.IntN(len(events))]
				if err := s.bring(e); err != nil {
					return fmt.Errorf("%s after %s: %w", e.name, time.Since(began).Round(time.Second), err)
				}
			}
			if err := s.checkpoint(ctx, began); err != nil {
				return fmt.Errorf("checkpoint after %s: %w", time.Since(began).Round(time.Second), err)
			}
		}
		return ctx.Err()
	}
	all := append(kills(), others()...)
	if err := phase(1-calm, all); err != nil {
		return err
	}
	// Let the last daemon have seen everything once before it is measured.
	for _, e := range others() {
		if err := s.bring(e); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	if err := s.checkpoint(ctx, began); err != nil {
		return err
	}
	before, err := s.footprint()
	if err != nil {
		return err
	}
	s.Logf("calm: %s", before)
	if err := phase(1, others()); err != nil {
		return err
	}
	for _, g := range s.guests {
		if err := s.pause(g); err != nil {
			return err
		}
	}
	return s.flat(ctx, before)
}

// bring brings an event about, after a moment.
func (s *soak) bring(e event) error {
	time.Sleep(time.Duration(s.random.IntN(1500)) * time.Millisecond)
	if err := s.watch.look(); err != nil {
		return err
	}
	if err := e.run(s); err != nil {
		return err
	}
	s.done[e.name]++
	select {
	case <-s.daemon.Exited():
		return errors.New("the daemon has ended")
	default:
	}
	return s.watch.look()
}

// checkpoint has everybody fall silent, compares the daemon's numbers with the meters', and lets them go on.
func (s *soak) checkpoint(ctx context.Context, began time.Time) error {
	for _, g := range s.guests {
		if err := s.pause(g); err != nil {
			return err
		}
	}
	var list []lab.Expectation
	var total lab.Counts
	for _, g := range s.guests {
		seen, err := g.meter.Settled()
		if err != nil {
			return fmt.Errorf("%s: %w", g.Name, err)
		}
		for _, f := range lab.Families {
			e := lab.Expectation{Host: g.Host, Family: f, Counts: g.earlier[f].Add(seen.Sum(f))}
			total = total.Add(e.Counts)
			list = append(list, e)
		}
	}
	if _, err := s.daemon.Await(ctx, list); err != nil {
		return err
	}
	if err := s.ours.note(s.daemon.PID(), s.setup.BPFFS); err != nil {
		return err
	}
	f, err := s.footprint()
	if err != nil {
		return err
	}
	s.Logf("%4.0f s: %s; %s; events %v", time.Since(began).Seconds(), total, f, s.done)
	for _, g := range s.guests {
		s.resume(g)
	}
	return nil
}
