// SPDX-License-Identifier: GPL-2.0-only

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/blobmsg"
)

const object = "mezoura"

// caller is what the commands need of ubus; *ubus.Conn is one.
type caller interface {
	Call(ctx context.Context, object, method string, args any) (blobmsg.Table, error)
}

// flow is one direction: bytes and packets so far, and bytes per second now.
type flow struct {
	Bytes   int64 `blobmsg:"bytes"`
	Packets int64 `blobmsg:"packets"`
	Rate    int64 `blobmsg:"rate"`
}

type pair struct {
	Download flow `blobmsg:"download"`
	Upload   flow `blobmsg:"upload"`
}

// host is what stats says of a host.
type host struct {
	MAC       string `blobmsg:"mac"`
	Hostname  string `blobmsg:"hostname"`
	Network   string `blobmsg:"network"`
	Device    string `blobmsg:"device"`
	Online    bool   `blobmsg:"online"`
	Random    bool   `blobmsg:"random"`
	Download  flow   `blobmsg:"download"`
	Upload    flow   `blobmsg:"upload"`
	IPv4      pair   `blobmsg:"ipv4"`
	IPv6      pair   `blobmsg:"ipv6"`
	Addresses []struct {
		IP       string `blobmsg:"ip"`
		Download flow   `blobmsg:"download"`
		Upload   flow   `blobmsg:"upload"`
		LastSeen int64  `blobmsg:"last_seen"`
	} `blobmsg:"addresses"`
	FirstSeen int64 `blobmsg:"first_seen"`
	LastSeen  int64 `blobmsg:"last_seen"`
}

// name is what to call the host.
func (h *host) name() string {
	switch {
	case h.Hostname != "":
		return h.Hostname
	case h.MAC != "":
		return h.MAC
	case len(h.Addresses) > 0:
		return h.Addresses[0].IP
	}
	return "?"
}

// address is the one to show.
func (h *host) address() string {
	if len(h.Addresses) == 0 {
		return ""
	}
	return h.Addresses[0].IP
}

// listing is a whole listing, all pages of it.
type listing struct {
	Time         int64
	Uptime       int64
	Hosts        []host
	Unattributed pair
	pages        []blobmsg.Table
}

type page struct {
	Time         int64  `blobmsg:"time"`
	Uptime       int64  `blobmsg:"uptime"`
	Total        int    `blobmsg:"total"`
	Listing      int64  `blobmsg:"listing"`
	Hosts        []host `blobmsg:"hosts"`
	Unattributed pair   `blobmsg:"unattributed"`
}

// attempts at a listing: the daemon keeps unfinished ones for a while only, and none over its restart.
const attempts = 3

// fetch reads a listing of stats, page by page; host and network narrow it where they are not "".
func fetch(ctx context.Context, bus caller, hostname, network string) (l *listing, err error) {
	for range attempts {
		if l, err = fetchOnce(ctx, bus, hostname, network); !errors.Is(err, errExpired) {
			return l, err
		}
	}
	return nil, err
}

// errExpired means that the daemon no longer has the listing that was being read.
var errExpired = errors.New("the list changes faster than it is read")

func fetchOnce(ctx context.Context, bus caller, hostname, network string) (*listing, error) {
	l := new(listing)
	number := int64(0)
	for {
		args := blobmsg.Fields{{Name: "offset", Value: int32(len(l.Hosts))}}
		if hostname != "" {
			args = append(args, blobmsg.Fields{{Name: "host", Value: hostname}}...)
		}
		if network != "" {
			args = append(args, blobmsg.Fields{{Name: "network", Value: network}}...)
		}
		if number != 0 {
			args = append(args, blobmsg.Fields{{Name: "listing", Value: int32(number)}}...)
		}
		reply, err := bus.Call(ctx, object, "stats", args)
		if err != nil {
			if number != 0 && errors.Is(err, ubus.ErrNoData) {
				return nil, fmt.Errorf("%w: %w", errExpired, err)
			}
			return nil, explain(err)
		}
		var p page
		if err := reply.Unmarshal(&p); err != nil {
			return nil, fmt.Errorf("read reply of stats: %w", err)
		}
		l.Time, l.Uptime, l.Unattributed = p.Time, p.Uptime, p.Unattributed
		l.Hosts = append(l.Hosts, p.Hosts...)
		l.pages = append(l.pages, reply)
		if number = p.Listing; number == 0 || len(p.Hosts) == 0 {
			return l, nil
		}
	}
}

// explain says what to do about an error of ubus.
func explain(err error) error {
	switch {
	case errors.Is(err, ubus.ErrNotFound):
		return fmt.Errorf("the daemon is not on ubus: is it running? (/etc/init.d/mezoura start): %w", err)
	case errors.Is(err, ubus.ErrPermissionDenied):
		return fmt.Errorf("ubus does not let this user ask: %w", err)
	case errors.Is(err, ubus.ErrTimeout):
		return fmt.Errorf("the daemon does not answer: %w", err)
	case errors.Is(err, ubus.ErrDisconnected):
		return fmt.Errorf("ubus has gone away: %w", err)
	}
	return err
}

// explainDial says what to do when there is no way to ubus.
func explainDial(err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("ubus does not let this user in: %w", err)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no ubus here: is ubusd running? %w", err)
	}
	return err
}
