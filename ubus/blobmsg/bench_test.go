// SPDX-License-Identifier: GPL-2.0-only

package blobmsg_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/mezoura/mezoura/ubus/blobmsg"
)

// The benchmarks compare with encoding/json on the same Go value, a reply with
// 250 hosts. MB/s is of each format's own bytes; "ns/value-byte" divides by
// the JSON's bytes for both, so that neither gains by being wordy.

type flow struct {
	Bytes   int64 `json:"bytes"`
	Packets int64 `json:"packets"`
	Rate    int64 `json:"rate"`
}

type family struct {
	Download flow `json:"download"`
	Upload   flow `json:"upload"`
}

type address struct {
	IP       string `json:"ip"`
	Download flow   `json:"download"`
	Upload   flow   `json:"upload"`
	LastSeen int64  `json:"last_seen"`
}

type host struct {
	MAC       string    `json:"mac"`
	Hostname  string    `json:"hostname"`
	Network   string    `json:"network"`
	Device    string    `json:"device"`
	Download  flow      `json:"download"`
	Upload    flow      `json:"upload"`
	IPv4      family    `json:"ipv4"`
	IPv6      family    `json:"ipv6"`
	Addresses []address `json:"addresses"`
	FirstSeen int64     `json:"first_seen"`
	LastSeen  int64     `json:"last_seen"`
}

type reply struct {
	Time  int64  `json:"time"`
	Total int64  `json:"total"`
	Hosts []host `json:"hosts"`
}

func newReply(hosts int) reply {
	r := reply{Time: 1790000000, Total: int64(hosts)}
	f := flow{123456789012, 98765432, 1234567}
	for i := range hosts {
		r.Hosts = append(r.Hosts, host{MAC: fmt.Sprintf("02:00:00:00:%02x:%02x", i/256, i%256),
			Hostname: fmt.Sprintf("host-%d", i), Network: "lan", Device: "br-lan", Download: f, Upload: f,
			IPv4: family{f, f}, IPv6: family{f, f}, FirstSeen: 1780000000, LastSeen: 1790000000,
			Addresses: []address{{"192.168.1.1", f, f, 1790000000}, {"fd00:1234:5678::1", f, f, 1790000000}}})
	}
	return r
}

// build writes the reply by hand, as a service does it.
func build(b *blobmsg.Builder, r *reply) {
	nest := func(name string, f flow) {
		b.OpenTable(name)
		b.Int64("bytes", f.Bytes)
		b.Int64("packets", f.Packets)
		b.Int64("rate", f.Rate)
		b.Close()
	}
	b.Int64("time", r.Time)
	b.Int64("total", r.Total)
	b.OpenArray("hosts")
	for i := range r.Hosts {
		h := &r.Hosts[i]
		b.OpenTable("")
		b.String("mac", h.MAC)
		b.String("hostname", h.Hostname)
		b.String("network", h.Network)
		b.String("device", h.Device)
		nest("download", h.Download)
		nest("upload", h.Upload)
		for _, f := range []struct {
			name string
			family
		}{{"ipv4", h.IPv4}, {"ipv6", h.IPv6}} {
			b.OpenTable(f.name)
			nest("download", f.Download)
			nest("upload", f.Upload)
			b.Close()
		}
		b.OpenArray("addresses")
		for _, a := range h.Addresses {
			b.OpenTable("")
			b.String("ip", a.IP)
			nest("download", a.Download)
			nest("upload", a.Upload)
			b.Int64("last_seen", a.LastSeen)
			b.Close()
		}
		b.Close()
		b.Int64("first_seen", h.FirstSeen)
		b.Int64("last_seen", h.LastSeen)
		b.Close()
	}
	b.Close()
}

func BenchmarkEncode(b *testing.B) {
	r := newReply(250)
	text, err := json.Marshal(&r)
	if err != nil {
		b.Fatal(err)
	}
	own := len(marshal(b, &r).Bytes())
	run := func(name string, size int, f func()) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for range b.N {
				f()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(text)), "ns/value-byte")
		})
	}
	run("json", len(text), func() {
		if _, err := json.Marshal(&r); err != nil {
			b.Fatal(err)
		}
	})
	run("marshal", own, func() {
		if _, err := blobmsg.Marshal(&r); err != nil {
			b.Fatal(err)
		}
	})
	var builder blobmsg.Builder
	run("struct", own, func() { // as ubus.Conn does it, memory reused
		builder.Reset()
		builder.Fields(&r)
		if _, err := builder.Table(); err != nil {
			b.Fatal(err)
		}
	})
	run("builder", own, func() {
		builder.Reset()
		build(&builder, &r)
		if _, err := builder.Table(); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	r := newReply(250)
	text, err := json.Marshal(&r)
	if err != nil {
		b.Fatal(err)
	}
	table := marshal(b, &r)
	own := len(table.Bytes())
	run := func(name string, size int, f func()) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for range b.N {
				f()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(text)), "ns/value-byte")
		})
	}
	run("json", len(text), func() {
		var out reply
		if err := json.Unmarshal(text, &out); err != nil {
			b.Fatal(err)
		}
	})
	run("struct", own, func() {
		t, err := blobmsg.Parse(table.Bytes())
		if err != nil {
			b.Fatal(err)
		}
		var out reply
		if err := t.Unmarshal(&out); err != nil {
			b.Fatal(err)
		}
	})
	run("print", len(text), func() { table.AppendJSON(nil) })
}
