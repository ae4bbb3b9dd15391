// SPDX-License-Identifier: GPL-2.0-only

package soak

import "slices"

// event is something that happens to a daemon; when it is over, the daemon runs and is attached.
type event struct {
	name string
	run  func(*soak) error
}

// kills end the daemon.
func (s *soak) kills() []event {
	list := []event{
		{"kill", (*soak).kill},
		{"kill at start", (*soak).killAtStart},
		{"kill and port", (*soak).killAndPort},
		{"kill at full disk", (*soak).killAtFullDisk},
		{"end", (*soak).end},
		{"other mode", (*soak).otherMode},
		{"start in vain", (*soak).startInVain},
	}
	if s.Clock {
		list = append(list, event{"kill and clock", (*soak).killAndClock})
	}
	return list
}

// others leave it alive.
func (s *soak) others() []event {
	list := []event{
		{"flood", (*soak).flood}, // first, so that the listing has its full size when memory is measured
		{"freeze", (*soak).freeze},
		{"second daemon", (*soak).second},
		{"port", (*soak).port},
		{"port leaves", (*soak).portLeaves},
		{"port renamed", (*soak).portRenamed},
		{"mtu", (*soak).mtu},
		{"flooding bridge", (*soak).floodingBridge},
		{"bridge down", (*soak).bridgeDown},
		{"bridge gone", (*soak).bridgeGone},
		{"visitor", (*soak).visit},
		{"prefix", (*soak).prefix},
		{"broker", (*soak).restartBroker},
		{"reload", (*soak).reload},
		{"bad reload", (*soak).badReload},
		{"names", (*soak).rename},
		{"forget", (*soak).forget},
		{"turn", (*soak).turn},
		{"full disk", (*soak).fullDisk},
	}
	if s.Clock {
		for range clockShare {
			list = append(list, event{"clock", (*soak).clock})
		}
	}
	return list
}

// chosen are those of the events that are asked for.
func (s *soak) chosen(events []event) []event {
	some := slices.DeleteFunc(slices.Clone(events), func(e event) bool { return !slices.Contains(s.Only, e.name) })
	if len(some) == 0 {
		return events
	}
	return some
}
