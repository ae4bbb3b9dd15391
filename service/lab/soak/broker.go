// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"errors"

	"github.com/mezoura/mezoura/ubus/broker"
)

// bus is a broker that can be restarted.
type bus struct {
	path   string
	broker *broker.Broker
	served chan error
}

func startBroker(path string) (*bus, error) {
	b := &bus{path: path}
	return b, b.open()
}

func (b *bus) open() (err error) {
	if b.broker, err = broker.Listen(b.path, broker.Options{}); err != nil {
		return err
	}
	b.served = make(chan error, 1)
	serve, served := b.broker.Serve, b.served
	go func() { served <- serve(context.Background()) }()
	return nil
}

func (b *bus) close() error {
	if b.broker == nil {
		return nil
	}
	err := errors.Join(b.broker.Close(), <-b.served)
	b.broker = nil
	return err
}
