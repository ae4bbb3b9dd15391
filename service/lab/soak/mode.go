// SPDX-License-Identifier: GPL-2.0-only

package soak

import "github.com/mezoura/mezoura/service/lab"

// attachModes are those that this kernel has: tcx came with 6.6.
func attachModes() ([]string, error) {
	if tcx, err := lab.KernelAtLeast(6, 6); err != nil || !tcx {
		return []string{"clsact"}, err
	}
	return []string{"tcx", "clsact"}, nil
}

// measureModes starts a first daemon in each mode, and notes what it takes. The last one stays.
func (s *soak) measureModes() (err error) {
	if s.modes, err = attachModes(); err != nil {
		return err
	}
	s.first = map[string]footprint{}
	for range s.modes {
		s.nextMode()
		if err := s.start(); err != nil {
			return err
		}
		if s.first[s.modes[0]], err = s.footprint(); err != nil {
			return err
		}
		if len(s.first) < len(s.modes) {
			s.daemon.Kill()
			if err := s.setup.Detach(); err != nil {
				return err
			}
		}
	}
	return nil
}

// nextMode has the next daemon attach in another mode, where there is one.
func (s *soak) nextMode() {
	s.modes = append(s.modes[1:], s.modes[0])
	s.setup.Args = []string{"-ubus-embedded=0", "-attach", s.modes[0]}
}

// otherMode has the daemon attach in the other mode. Everybody is silent meanwhile: for a moment both count.
func (s *soak) otherMode() error {
	for _, t := range s.talkers {
		if err := s.pause(t); err != nil {
			return err
		}
		if _, err := t.settled(); err != nil {
			return err
		}
	}
	s.daemon.Kill()
	s.nextMode()
	s.journal.note("%s", s.modes[0])
	if err := s.start(); err != nil {
		return err
	}
	for _, t := range s.talkers {
		s.resume(t)
	}
	return nil
}
