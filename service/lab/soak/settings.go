// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mezoura/mezoura/service/lab"
	"github.com/mezoura/mezoura/ubus"
)

// brokenOption makes a configuration one that has to be refused.
const brokenOption = "\toption table_size 'huge'\n"

// reload changes the configuration. The size of the tables is that of the next start.
func (s *soak) reload() error {
	size, expire, idle := []int{1024, 2048, 4096}[s.random.IntN(3)], 1+s.random.IntN(40), 10+s.random.IntN(50)
	s.journal.note("table_size %d, idle %ds", size, idle)
	if err := s.configure(fmt.Sprintf("\toption table_size '%d'\n\toption expire '%dd'\n\toption idle '%d'\n", size, expire, idle)); err != nil {
		return err
	}
	return s.hangUp("configuration read")
}

// badReload breaks the configuration, and mends it. The daemon has to say so, and to go on by the old one.
func (s *soak) badReload() error {
	if err := s.configure(brokenOption); err != nil {
		return err
	}
	if err := s.hangUp("configuration not read"); err != nil {
		return err
	}
	if text, err := s.setup.Ask("status"); err != nil || !strings.Contains(text, "table_size") {
		return fmt.Errorf("the status does not name the option that is wrong: %v: %s", err, text)
	}
	s.moment(1000)
	return s.reload()
}

// hangUp has the daemon read its configuration, and waits until it has said a word of it.
func (s *soak) hangUp(word string) error {
	said := func() int { return strings.Count(strings.Join(s.daemon.Output(), "\n"), word) }
	before := said()
	if err := s.daemon.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	return s.soon("the daemon was told to read its configuration, and does not say: "+word, func() bool { return said() > before })
}

// rename gives one of the talkers another name. The daemon has to show it soon; totals are by MAC and stay.
func (s *soak) rename() error {
	t := s.talkers[s.random.IntN(len(s.talkers))]
	name := fmt.Sprintf("%s-%x", t.Name, s.random.Uint32())
	s.names[t] = name
	s.journal.note("%s", name)
	var text strings.Builder
	for t, name := range s.names {
		fmt.Fprintf(&text, "config host\n\toption name '%s'\n\toption mac '%s'\n", name, t.MAC)
	}
	path := filepath.Join(s.setup.Config, "dhcp")
	if err := os.WriteFile(path+".new", []byte(text.String()), 0o644); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return s.soon("the daemon does not show the name "+name, func() bool {
		r, err := s.setup.Scrape(context.Background())
		return err == nil && len(r.Find("mezoura_host_info", "mac", strings.ToUpper(t.MAC), "hostname", name)) > 0
	})
}

// reset calls the daemon's method of that name.
func (s *soak) reset(host string) error {
	conn, err := ubus.Dial(context.Background(), ubus.Options{Socket: s.setup.Ubus, Transport: "wire"})
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), s.Patience)
	defer cancel()
	_, err = conn.Call(ctx, "mezoura", "reset", map[string]any{"host": host})
	return err
}

// turn has the daemon's tables change places under traffic: to reset nobody changes no total, but ends a generation as
// idle time or a full table do.
func (s *soak) turn() error {
	if err := s.reset("02:ff:ff:ff:ff:ff"); !errors.Is(err, ubus.ErrNotFound) {
		return fmt.Errorf("reset nobody: %w", err)
	}
	return nil
}

// forget has a host's totals begin at zero, while the others talk on. The networks' totals keep what it had.
func (s *soak) forget() error {
	t := s.talkers[s.random.IntN(len(s.talkers))]
	s.journal.note("%s", t.Name)
	if err := s.pause(t); err != nil {
		return err
	}
	sent, err := t.settled()
	if err != nil {
		return err
	}
	if err := s.reset(t.MAC); err != nil {
		return fmt.Errorf("reset %s: %w", t.MAC, err)
	}
	t.forgotten, t.floor = sent, sums{}
	s.ledger.web, s.ledger.file = nil, nil
	if err := os.Remove(s.setup.Textfile); err != nil { // it may be of before
		return err
	}
	if err := s.soon("the text file is not written again", func() bool { _, err := s.setup.ReadTextfile(); return err == nil }); err != nil {
		return err
	}
	r, err := s.read()
	if err != nil {
		return err
	}
	for _, f := range lab.Families {
		if got := r.Host(t.Host, f); got != (lab.Counts{}) {
			return fmt.Errorf("%s was reset and has %s %s", t.Name, f, got)
		}
	}
	s.resume(t)
	return nil
}

// restartBroker takes ubus away and gives it back. The daemon's object has to return.
func (s *soak) restartBroker() error {
	if err := s.broker.close(); err != nil {
		return err
	}
	s.moment(1500)
	if err := s.broker.open(); err != nil {
		return err
	}
	return s.soon("the daemon's object is not back on ubus", func() bool {
		_, err := s.setup.Ask("stats", "-json")
		return err == nil
	})
}
