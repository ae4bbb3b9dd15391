// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// diskSize is that of the disks that run full.
const diskSize = 4 << 20

// mountDisks puts the text file and the state on small disks of their own.
func (s *soak) mountDisks(l *lab.Lab) error {
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
	return nil
}

// fill fills the disk of the text file or of the state to the last byte; the function empties it again.
func (s *soak) fill() (empty func() error, err error) {
	disk := s.disks[s.random.IntN(len(s.disks))]
	s.journal.note("%s", filepath.Base(disk))
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, diskSize), 0o644); err == nil {
		return nil, fmt.Errorf("%s is not full", disk)
	}
	return func() error { return os.Remove(ballast) }, nil
}

// fullDisk fills a disk for some seconds, in which the tables try to turn.
func (s *soak) fullDisk() error {
	empty, err := s.fill()
	if err != nil {
		return err
	}
	_ = s.reset("02:ff:ff:ff:ff:ff") // fails when it is the state's
	time.Sleep(time.Second)
	s.moment(2000)
	if err := s.look(); err != nil {
		return fmt.Errorf("on the full disk: %w", err)
	}
	if err := empty(); err != nil {
		return err
	}
	return s.written()
}

// killAtFullDisk kills the daemon while a disk is full. The next one has to count all the same.
func (s *soak) killAtFullDisk() error {
	empty, err := s.fill()
	if err != nil {
		return err
	}
	s.moment(1500)
	for range 1 + s.random.IntN(2) {
		s.daemon.Kill()
		if err := s.start(); err != nil {
			return err
		}
		s.moment(1500)
		if err := s.look(); err != nil {
			return fmt.Errorf("on the full disk: %w", err)
		}
	}
	if s.random.IntN(2) == 0 {
		if err := empty(); err != nil {
			return err
		}
		return s.written()
	}
	s.daemon.Kill()
	if err := empty(); err != nil {
		return err
	}
	return s.start()
}

// written waits until the text file is newer than now.
func (s *soak) written() error {
	before, err := s.setup.Scrape(context.Background())
	if err != nil {
		return err
	}
	return s.soon("the text file is not written again", func() bool {
		r, err := s.setup.ReadTextfile()
		return err == nil && s.backwards(r, before) == nil
	})
}
