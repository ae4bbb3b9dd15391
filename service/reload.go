// SPDX-License-Identifier: GPL-2.0-only

package service

import (
	"strings"

	"github.com/mezoura/mezoura/service/config"
	"github.com/mezoura/mezoura/service/uci"
)

// reload reads the configuration and puts in force what has changed. A bad one changes nothing, and is
// shown until it is mended. It tells whether the interval has changed.
func (s *service) reload() bool {
	c, err := s.command.Load(uci.NewTree(s.command.Config.Paths.EtcConfig))
	if err != nil {
		s.configError = err.Error()
		s.log.Error("configuration not read, the old one stays in force", "error", err)
		s.publish()
		return false
	}
	s.configError = ""
	change := config.Diff(s.config, c)
	before := s.config
	s.config = c
	s.hosts.Configure(c)
	s.hosts.Refresh()
	s.counter.book.SetLimits(limits(c))
	s.files.SetCompat(c.Compat)
	s.scrapes.SetCompat(c.Compat)
	if err := s.listen(); err != nil {
		s.complain("exporter", err)
	} else {
		s.complain("exporter", nil)
	}
	s.bus.configure(s.ctx, s)
	s.complain("networks", s.follow())
	failures, _ := s.counter.failed()
	s.tell(failures)
	s.offloadAt = s.readAt.Add(-offloadEvery)
	s.look()
	s.writeFiles()
	s.log.Info("configuration read", "changed", strings.Join(change.Options, " "))
	return before.Interval != c.Interval
}
