// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// resume has a host talk again.
func (s *soak) resume(g *guest) {
	if g.talk != nil {
		return
	}
	random := rand.New(rand.NewPCG(s.random.Uint64(), s.random.Uint64()))
	neighbour := s.guests[staying] // its port never goes
	g.talk = lab.InBackground(func(stop <-chan struct{}) error {
		for {
			select {
			case <-stop:
				return nil
			case <-time.After(time.Duration(random.IntN(200)) * time.Millisecond):
			}
			to, at := s.home.Internet.Namespace, s.home.Internet.Addr
			if g != neighbour && random.IntN(6) == 0 { // which is not to be counted
				to, at = neighbour.Namespace, neighbour.Addr
			}
			if err := talk(random, g.Host, to, at); err != nil {
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
func (s *soak) pause(g *guest) error {
	if g.talk == nil {
		return nil
	}
	err := g.talk.Stop()
	g.talk = nil
	if err != nil {
		return fmt.Errorf("%s: %w", g.Name, err)
	}
	return nil
}
