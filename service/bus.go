// SPDX-License-Identifier: GPL-2.0-only

package service

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/config"
	"github.com/mezoura/mezoura/service/hosts"
	"github.com/mezoura/mezoura/service/networks"
	"github.com/mezoura/mezoura/service/networks/netifd"
	"github.com/mezoura/mezoura/service/object"
	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/broker"
)

// firstAnswer is how long a start waits for netifd: attaching with what it says saves doing it twice.
const firstAnswer = 100 * time.Millisecond

// leasesObject is odhcpd's.
const leasesObject = "dhcp"

// bus is what the daemon does on ubus: its object, the networks of netifd, the leases of odhcpd. All of it can be absent.
type bus struct {
	log       *slog.Logger
	broker    *broker.Broker // -ubus-embedded
	conn      *ubus.Conn
	netifd    *netifd.Reader
	reader    atomic.Pointer[netifd.Reader] // the same, for the connection's goroutine
	published *ubus.Published
	reports   *netifd.Reports
}

// openBus connects, or begins to try.
func openBus(ctx context.Context, s *service) (*bus, error) {
	c, log := s.config, s.log
	b := &bus{log: log}
	socket := c.UbusSocket
	if c.UbusEmbedded {
		if socket == "" {
			socket = broker.DefaultSocket
		}
		var err error
		if b.broker, err = broker.Listen(socket, broker.Options{}); err != nil {
			return nil, err
		}
		s.goRun(ctx, "embedded ubus", b.broker.Serve)
	}
	var err error
	b.conn, err = ubus.Dial(ctx, ubus.Options{Socket: socket, Lazy: true, Changed: func(err error) {
		if err != nil {
			log.Info("ubus is not there; trying again", "error", err)
		} else {
			log.Info("ubus is there")
			if r := b.reader.Load(); r != nil {
				r.Hint() // what it told while we were away is lost
			}
		}
	}})
	if err != nil {
		return nil, err
	}
	b.netifd = netifd.New(b.conn, c.Networks)
	b.reader.Store(b.netifd)
	return b, nil
}

// ask gets netifd's networks for the start, if it answers soon.
func (b *bus) ask(ctx context.Context, c config.Config) {
	if len(c.Networks) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, firstAnswer)
	defer cancel()
	_ = b.netifd.Read(ctx) // Run asks again, and says so in the plan's warnings
}

// open publishes the object and follows netifd.
func (b *bus) open(ctx context.Context, s *service) {
	o := object.New(object.Daemon{Snapshot: s.snapshot, Reset: s.reset})
	var err error
	if b.published, err = b.conn.Publish(ctx, o.Describe()); err != nil {
		b.log.Error("object mezoura is not on ubus", "error", err)
	}
	if len(s.config.Networks) > 0 {
		b.follow(ctx, s)
	}
	// odhcpd may come after us, and tells of leases.
	if _, err = b.conn.Watch(ctx, leasesObject, func(ubus.ObjectChange) { s.hosts.Refresh() }); err == nil {
		_, err = b.conn.Subscribe(ctx, leasesObject, func(ubus.Notification) { s.hosts.Refresh() })
	}
	if err != nil {
		b.log.Warn("names of odhcpd may be seen late", "error", err)
	}
}

func (b *bus) follow(ctx context.Context, s *service) {
	if b.reports != nil {
		return
	}
	var err error
	if b.reports, err = netifd.Follow(ctx, b.conn, b.netifd); err != nil {
		b.log.Warn("changes of networks may be seen late", "error", err)
	}
	s.goRun(ctx, "netifd", b.netifd.Run)
}

// configure follows a reload.
func (b *bus) configure(ctx context.Context, s *service) {
	b.netifd.SetNames(s.config.Networks)
	if len(s.config.Networks) > 0 {
		b.follow(ctx, s)
		b.netifd.Hint()
	}
}

func (b *bus) networksChanged() <-chan struct{} { return b.netifd.Changed() }

// known tells whether netifd has said what the networks are; there is nothing to wait for where it is not asked.
func (b *bus) known(c config.Config) bool { return len(c.Networks) == 0 || b.netifd.Err() == nil }

func (b *bus) source() networks.Source { return b.netifd.Source() }

func (b *bus) transport() string {
	switch {
	case !b.conn.Connected():
		return ""
	case b.broker != nil:
		return "embedded"
	}
	return b.conn.Transport()
}

// leases asks odhcpd.
func (b *bus) leases(ctx context.Context, method string) ([]byte, error) {
	reply, err := b.conn.Call(ctx, leasesObject, method, nil)
	if err != nil {
		return nil, err
	}
	return reply.AppendJSON(nil), nil
}

var _ hosts.Leases = (*bus)(nil).leases

// notify tells subscribers what is new.
func (b *bus) notify(ctx context.Context, before, after *account.Snapshot) {
	if b.published == nil || !b.published.Subscribed() {
		return
	}
	if err := object.Notify(ctx, b.published, before, after); err != nil && !errors.Is(err, ubus.ErrDisconnected) {
		b.log.Warn("notify", "error", err)
	}
}

func (b *bus) close() {
	if b.reports != nil {
		b.reports.Close()
	}
	b.conn.Close()
	if b.broker != nil {
		b.broker.Close()
	}
}
