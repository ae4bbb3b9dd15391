// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

const (
	// hosts is how many talk on br-lan; one more is on br-guest.
	hosts = 4
	// staying is the host whose port never goes.
	staying = hosts - 1
	// guestNetwork is the number of the network on br-guest; firstPrefix to lastPrefix are those that come and go on br-lan,
	// and a soak of many hours makes no more.
	guestNetwork, firstPrefix, lastPrefix = 251, 2, 250
)

// sums are counts by family.
type sums [len(lab.Families)]lab.Counts

func (a sums) add(b sums) sums {
	for f := range a {
		a[f] = a[f].Add(b[f])
	}
	return a
}

func (a sums) sub(b sums) sums {
	for f := range a {
		a[f] = a[f].Sub(b[f])
	}
	return a
}

// bytes are those of both directions and families.
func (a sums) bytes() (n uint64) {
	for _, c := range a {
		n += c.Download.Bytes + c.Upload.Bytes
	}
	return n
}

// talker is a host with what is known about it. What it has sent and received is metered less forgotten.
type talker struct {
	*lab.Host
	bridge    string // that its port belongs to
	meter     *lab.Meter
	earlier   sums // of meters that have gone with their devices
	forgotten sums // that the daemon was asked to forget
	floor     sums // that the daemon has to know of by now
	talk      *lab.Background
	voice     *rand.Rand // what it talks
}

// wire puts a new meter at a host's end of its wire.
func (s *soak) wire(t *talker) (err error) {
	t.meter, err = s.home.Meter(t.Namespace, t.Device, false, s.internal())
	return err
}

// internal judges what is not the internet. The meters know from the start of every network that will be made.
func (s *soak) internal() func(netip.Addr) bool {
	judge := *s.home.Router
	judge.Networks = slices.Clone(judge.Networks)
	for i := firstPrefix; i <= lastPrefix; i++ {
		judge.Networks = append(judge.Networks, &lab.Network{
			Prefix4: netip.MustParsePrefix(fmt.Sprintf("192.168.%d.0/24", i)), Prefix6: netip.MustParsePrefix(fmt.Sprintf("2001:db8:1:%x::/64", i))})
	}
	return judge.Internal
}

func sumsOf(seen lab.MeterCounts) (a sums) {
	for i, f := range lab.Families {
		a[i] = seen.Sum(f)
	}
	return a
}

// metered is all that has crossed the host's wire so far.
func (t *talker) metered() (sums, error) {
	seen, err := t.meter.Counts()
	if err != nil {
		return sums{}, fmt.Errorf("%s: %w", t.Name, err)
	}
	return t.earlier.add(sumsOf(seen)), nil
}

// settled is all that has crossed the wire, once nothing is on its way any more.
func (t *talker) settled() (sums, error) {
	seen, err := t.meter.Settled()
	if err != nil {
		return sums{}, fmt.Errorf("%s: %w", t.Name, err)
	}
	return t.earlier.add(sumsOf(seen)), nil
}

// unplug removes a silent host's port. What its meter has seen is kept.
func (t *talker) unplug() (err error) {
	if t.earlier, err = t.settled(); err != nil {
		return err
	}
	if err := t.Unplug(); err != nil {
		return err
	}
	if _, err := t.meter.Stop(); err != nil && !errors.Is(err, syscall.ENETDOWN) {
		return fmt.Errorf("%s: %w", t.Name, err)
	}
	return nil
}

// resume has a host talk again.
func (s *soak) resume(t *talker) {
	if t.talk != nil {
		return
	}
	neighbour := s.talkers[staying]
	t.talk = lab.InBackground(func(stop <-chan struct{}) error {
		for {
			select {
			case <-stop:
				return nil
			case <-time.After(time.Duration(t.voice.IntN(200)) * time.Millisecond):
			}
			to, at := s.home.Internet.Namespace, s.home.Internet.Addr
			if t != neighbour && t.voice.IntN(6) == 0 { // which is not to be counted
				to, at = neighbour.Namespace, neighbour.Addr
			}
			if err := talk(t.voice, t.Host, to, at); err != nil {
				return err
			}
		}
	})
}

// talk has one conversation of a random kind and size.
func talk(random *rand.Rand, host *lab.Host, to *lab.Namespace, at func(lab.Family) netip.Addr) error {
	f := lab.Families[random.IntN(len(lab.Families))]
	if random.IntN(2) == 0 {
		s := lab.Stream{Client: host.Namespace, From: host.Addr(f), Server: to, Listen: at(f),
			Upload: random.Int64N(1 << uint(10+random.IntN(11))), Download: random.Int64N(1 << uint(10+random.IntN(11))), Buffer: 64 << 10}
		_, _, err := s.Run(context.Background())
		return err
	}
	d := lab.Datagrams{Client: host.Namespace, From: host.Addr(f), Server: to, Listen: at(f),
		Upload: 1 + random.IntN(200), Download: random.IntN(200), Size: 1 + random.IntN(1400)}
	_, err := d.Run(context.Background())
	return err
}

// pause has a host fall silent.
func (s *soak) pause(t *talker) error {
	if t.talk == nil {
		return nil
	}
	err := t.talk.Stop()
	t.talk = nil
	if err != nil {
		return fmt.Errorf("%s: %w", t.Name, err)
	}
	return nil
}
