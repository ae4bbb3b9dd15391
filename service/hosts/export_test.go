// SPDX-License-Identifier: GPL-2.0-only

package hosts

import (
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/config"
)

// Named is a record as tests see it.
type Named struct {
	Name    string
	MACs    []account.MAC
	Addrs   []netip.Addr
	DUID    string
	Expires int64
}

func named(records []record, err error) ([]Named, error) {
	var list []Named
	for _, r := range records {
		list = append(list, Named{r.name, r.macs, r.addrs, r.duid, r.expires})
	}
	return list, err
}

func ParseDnsmasq(r io.Reader) ([]Named, error) { return named(parseDnsmasq(r)) }
func ParseOdhcpd(r io.Reader) ([]Named, error)  { return named(parseOdhcpd(r)) }
func ParseEthers(r io.Reader) ([]Named, error)  { return named(parseEthers(r)) }
func ParseHosts(r io.Reader) ([]Named, error)   { return named(parseHosts(r)) }
func ParseLeases(b []byte) ([]Named, error)     { return named(parseLeases(b, 1000)) }

// MaxRecords is how many hosts one source may have.
const MaxRecords = maxRecords

// Loads is how often files were read.
func (r *Resolver) Loads() uint64 { return r.loads.Load() }

// Resyncs is how often the whole neighbour table was read.
func (r *Resolver) Resyncs() uint64 {
	r.follower.mu.Lock()
	defer r.follower.mu.Unlock()
	return r.follower.resyncs
}

// Stall keeps the neighbour socket from being read until release is called.
func (r *Resolver) Stall() (release func()) {
	r.follower.mu.Lock()
	return r.follower.mu.Unlock
}

// StaleOnline is how long a silent host counts as online.
const StaleOnline time.Duration = staleOnline

// NewIndex is a resolver of nothing but these leases, and without sockets.
func NewIndex(names []string, leases string) *Resolver {
	records, err := parseDnsmasq(strings.NewReader(leases))
	if err != nil {
		panic(err)
	}
	r := &Resolver{now: time.Now}
	r.index.Store(newIndex(names, nil, map[string][]record{config.NamesDnsmasq: records}, 0))
	r.neighbours.Store(&neighbours{})
	return r
}
