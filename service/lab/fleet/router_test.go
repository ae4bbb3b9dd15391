// SPDX-License-Identifier: GPL-2.0-only

package fleet_test

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/export"
)

// router is one whose daemon is asked for real metrics over real HTTP, and whose
// hosts send and receive at a constant rate: what passed follows from the clock.
type router struct {
	t       *testing.T
	address string
	rate    uint64 // bytes per second and direction, of each of two hosts
	metrics *export.Metrics

	mu     sync.Mutex
	booted time.Time
	name   string // of the first host

	server *export.Server
	served chan error
}

func newRouter(t *testing.T, rate uint64) *router {
	t.Helper()
	r := &router{t: t, rate: rate, booted: time.Now().Add(-time.Hour), name: "tv", address: "127.0.0.1:0"}
	r.metrics = export.New(r.snapshot, true)
	r.start()
	t.Cleanup(r.kill)
	return r
}

// start starts the daemon, at the address it had before.
func (r *router) start() {
	r.t.Helper()
	server, err := export.Listen(r.address, r.metrics, export.Timeouts{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.address = server.Addr().String()
	r.server, r.served = server, make(chan error, 1)
	go func() { r.served <- server.Serve() }()
}

// kill ends the daemon; the kernel counts on.
func (r *router) kill() {
	if r.server == nil {
		return
	}
	r.server.Close()
	<-r.served
	r.server = nil
}

// reboot lets all totals begin anew.
func (r *router) reboot() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.booted = time.Now()
}

func (r *router) rename(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.name = name
}

func (r *router) snapshot() *account.Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	bytes := uint64(now.Sub(r.booted).Seconds() * float64(r.rate))
	flow := account.Flow{Bytes: bytes, Packets: bytes / 1000, Rate: r.rate}
	host := func(last byte, name string) account.Host {
		mac := account.MAC{2, 0, 0, 0, 0, last}
		return account.Host{
			MAC: mac, MACs: []account.MAC{mac}, Hostname: name, Network: "lan", Device: "br-lan", Online: true,
			Download: flow, Upload: flow, IPv4: account.Family{Download: flow, Upload: flow},
			Addresses: []account.Address{{
				IP:       netip.AddrFrom4([4]byte{192, 168, 1, last}),
				Counters: account.Counters{Download: account.Traffic{Bytes: bytes}, Upload: account.Traffic{Bytes: bytes}},
				LastSeen: now,
			}},
			FirstSeen: r.booted, LastSeen: now,
		}
	}
	both := account.Traffic{Bytes: 2 * bytes, Packets: bytes / 500}
	s := &account.Snapshot{
		Time: now, Started: r.booted,
		Hosts:    []account.Host{host(1, r.name), host(2, "")},
		Networks: []account.NetworkTotal{{Name: "lan", Device: "br-lan", Counters: account.Counters{Download: both, Upload: both}}},
		Status: account.Status{
			Version: "1.0.0", Interval: time.Second, Table: account.Table{Entries: 2, Capacity: 4096},
			Attachments: []account.Attachment{{Network: "lan", Device: "lan1", Mode: "tcx", Direction: "both"}},
		},
	}
	for _, reason := range []string{account.ReasonLimit, account.ReasonMalformed, account.ReasonMulticast, account.ReasonNoPrefix, account.ReasonTableFull} {
		s.Unattributed = append(s.Unattributed, account.ReasonTotal{Reason: reason})
	}
	return s
}
