// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
	Only     []string      // events, to hunt for one; none means all
	Clock    bool          // the machine's clock is ours: set it too
	Patience time.Duration // how long right numbers may take where it runs
	Logf     func(format string, args ...any)
}

const (
	// checkEvery is the pause between checkpoints.
	checkEvery = 20 * time.Second
	// calm is the part of the time at the end without kills: a daemon that is always new cannot leak.
	calm = 0.4
	// maxHosts is how many hosts the daemon may list: few, so that floods reach the limit and memory its end.
	maxHosts = 300
)

// soak is one run.
type soak struct {
	Options
	random  *rand.Rand // of the event that is under way
	home    *lab.Home
	setup   *lab.Setup
	daemon  *lab.Daemon
	broker  *bus
	talkers []*talker
	visitor *visitor
	spoofer *spoofer
	ledger  ledger
	journal journal
	ours    objects
	modes   []string             // of attaching; the first one is in use
	first   map[string]footprint // of the first daemon in each
	disks   []string             // folders that can be filled
	names   map[*talker]string
	ahead   time.Duration // of the true time, by the wall clock
	net     int           // the last network that was made for the event prefix
	flooded bool          // the listing has its full size
}

// Run soaks a daemon. Its error is the first thing that was wrong, with all that is needed to see how it came about.
func Run(ctx context.Context, o Options) (err error) {
	o.Logf("MEZOURA_SEED=%d, %s", o.Seed, o.Duration)
	l, err := lab.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	s := &soak{Options: o, random: source(o.Seed, 0, 0), ours: newObjects(), names: map[*talker]string{}, net: firstPrefix - 1}
	if err := s.build(l); err != nil {
		return fmt.Errorf("build home: %w", err)
	}
	defer s.broker.close()
	if err := s.run(ctx); err != nil {
		return s.told(err)
	}
	s.daemon.Kill()
	if err := s.setup.Detach(); err != nil {
		return s.told(err)
	}
	if err := s.ours.gone(ctx); err != nil {
		return s.told(err)
	}
	return nil
}

// told adds to an error how it came about.
func (s *soak) told(err error) error {
	said := s.daemon.Output()
	said = said[max(0, len(said)-40):]
	return fmt.Errorf("%w\nMEZOURA_SEED=%d\nevents:\n%s\nframes lost by the laboratory itself: %s\nthe daemon says:\n\t%s",
		err, s.Seed, &s.journal, s.lost(), strings.Join(said, "\n\t"))
}

// source is the random source of one thing of a run. Each has its own, so that how long something takes changes
// nothing of what is to come.
func source(seed uint64, kind, index int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(kind)<<32|uint64(index)))
}

func (s *soak) build(l *lab.Lab) (err error) {
	if s.home, err = l.Home(hosts + 2); err != nil { // the last two are the spoofer and the visitor
		return err
	}
	h := s.home
	if err := h.AddBridged("br-guest", "guest", guestNetwork, 1); err != nil {
		return err
	}
	// Networks are configured by the file, so that a reload has something to read; the broker is ours, to be restarted.
	if s.setup, err = l.Setup(s.Binary, h.Router.Namespace, "-ubus-embedded=0"); err != nil {
		return err
	}
	if err := s.mountDisks(l); err != nil {
		return err
	}
	if err := s.configure(""); err != nil {
		return err
	}
	if s.broker, err = startBroker(s.setup.Ubus); err != nil {
		return err
	}
	talking := append(append([]*lab.Host{}, h.Hosts[:hosts]...), h.Hosts[hosts+2])
	for i, host := range talking {
		t := &talker{Host: host, bridge: host.Network.Device, voice: source(s.Seed, 1, i)}
		if err := s.wire(t); err != nil {
			return err
		}
		s.talkers = append(s.talkers, t)
	}
	if s.spoofer, err = newSpoofer(h, h.Hosts[hosts]); err != nil {
		return err
	}
	if s.visitor, err = newVisitor(h.Hosts[hosts+1]); err != nil {
		return err
	}
	return s.measureModes()
}

// configure writes the daemon's configuration with more options.
func (s *soak) configure(options string) error {
	text := fmt.Sprintf("config mezoura\n\tlist subnet 'br-lan'\n\tlist subnet 'br-guest'\n\toption max_hosts '%d'\n", maxHosts) + options
	return os.WriteFile(filepath.Join(s.setup.Config, "mezoura"), []byte(text), 0o644)
}

// run brings events about in two parts: one in which the daemon is ended again and again, one in which the same daemon has
// to bear the rest.
func (s *soak) run(ctx context.Context) error {
	s.journal.began = time.Now()
	for _, t := range s.talkers {
		s.resume(t)
	}
	share := func(part float64) time.Time { return time.Now().Add(time.Duration(part * float64(s.Duration))) }
	if err := s.phase(ctx, 1, share(1-calm), s.chosen(append(s.kills(), s.others()...))); err != nil {
		return err
	}
	fresh, err := s.quit()
	if err != nil {
		return err
	}
	if err := s.start(); err != nil {
		return err
	}
	// Let the last daemon have seen everything once before it is measured.
	for i, e := range s.chosen(s.others()) {
		if err := s.bring(e, source(s.Seed, 2, i)); err != nil {
			return err
		}
	}
	if err := s.checkpoint(ctx); err != nil {
		return err
	}
	before, err := s.footprint()
	if err != nil {
		return err
	}
	s.Logf("calm: %s", before)
	if err := s.phase(ctx, 3, share(calm), s.chosen(s.others())); err != nil {
		return err
	}
	for _, t := range s.talkers {
		if err := s.pause(t); err != nil {
			return err
		}
	}
	after, err := s.flat(ctx, before, footprint.grown)
	if err != nil {
		return err
	}
	s.Logf("end:  %s", after)
	last, err := s.quit()
	if err != nil {
		return err
	}
	s.Logf("goroutines: %d of a daemon that was new, %d of one that was not", fresh.sum(), last.sum())
	return last.grown(fresh)
}

// phase brings events about until a time; kind is that of their random sources.
func (s *soak) phase(ctx context.Context, kind int, end time.Time, events []event) error {
	checked := time.Now()
	for i := 0; time.Now().Before(end) && ctx.Err() == nil; i++ {
		random := source(s.Seed, kind, i)
		if err := s.bring(events[random.IntN(len(events))], random); err != nil {
			return err
		}
		if time.Since(checked) > checkEvery {
			if err := s.checkpoint(ctx); err != nil {
				return err
			}
			checked = time.Now()
		}
	}
	return errors.Join(ctx.Err(), s.checkpoint(ctx))
}

// bring brings an event about, after a moment.
func (s *soak) bring(e event, random *rand.Rand) error {
	s.random = random
	s.moment(1000)
	s.journal.begin(e.name)
	if err := e.run(s); err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	s.journal.end()
	select {
	case <-s.daemon.Exited():
		return fmt.Errorf("%s: the daemon has ended", e.name)
	default:
	}
	if err := s.look(); err != nil {
		return fmt.Errorf("after %s: %w", e.name, err)
	}
	return nil
}

// moment is a random time, up to a number of milliseconds.
func (s *soak) moment(most int) { time.Sleep(time.Duration(s.random.IntN(most)) * time.Millisecond) }

// soon waits for what an event has to bring about, which may take a start of the daemon.
func (s *soak) soon(what string, so func() bool) error {
	for deadline := time.Now().Add(max(s.Patience, 30*time.Second)); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return errors.New(what)
		}
		select {
		case <-s.daemon.Exited():
			return errors.New(what + ": the daemon has ended")
		default:
		}
	}
	return nil
}
