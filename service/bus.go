// SPDX-License-Identifier: GPL-2.0-only

package service

import (
	"context"
	"log/slog"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/config"
	"github.com/mezoura/mezoura/service/hosts"
	"github.com/mezoura/mezoura/service/networks"
)

// bus is what the daemon does on ubus.
type bus struct{}

func newBus(c config.Config, log *slog.Logger) *bus      { return &bus{} }
func (b *bus) open(ctx context.Context, s *service)      {}
func (b *bus) close()                                    {}
func (b *bus) transport() string                         { return "" }
func (b *bus) source() networks.Source                   { return networks.Source{} }
func (b *bus) leases() []hosts.Option                    { return nil }
func (b *bus) networksChanged() <-chan struct{}          { return nil }
func (b *bus) configure(c config.Config)                 {}
func (b *bus) published(before, after *account.Snapshot) {}
