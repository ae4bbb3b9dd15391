// SPDX-License-Identifier: GPL-2.0-only

package ubus

import (
	"context"
	"encoding/binary"

	"github.com/mezoura/mezoura/ubus/internal/proto"
)

// MonitorMessage is a message between the broker and one of its clients.
type MonitorMessage struct {
	Client uint32 // the client's id
	Peer   uint32
	Seq    uint16
	Type   int  // as in the protocol: 2 data, 5 invoke, ...
	Sent   bool // by the broker to the client, else received from it
	Body   []byte
	// Missed counts the messages lost before this one, by the broker because
	// our socket was full, or here because the handler was too slow.
	Missed int
}

// Monitor receives all messages until it is closed.
type Monitor struct {
	entry entry
	fn    func(MonitorMessage)
	next  uint16 // the number the broker's next message has
	begun bool
}

// Monitor calls fn for every message that passes the broker, our own included.
// Only root may.
func (c *Conn) Monitor(ctx context.Context, fn func(MonitorMessage)) (*Monitor, error) {
	m := &Monitor{fn: fn}
	m.entry = entry{op: "monitor", what: "broker",
		finish: func(ctx context.Context, link transport, _ *binding) error {
			m.entry.queue.push(func(int) { m.begun = false })
			_, err := link.invoke(ctx, proto.ObjectMonitor, "add", nil)
			return err
		},
		undo: func(ctx context.Context, link transport) {
			_, _ = link.invoke(ctx, proto.ObjectMonitor, "remove", nil)
		},
		monitor: m.received}
	if err := c.register(ctx, &m.entry); err != nil {
		return nil, err
	}
	return m, nil
}

// Close ends the monitoring.
func (m *Monitor) Close() error { return m.entry.close(m.entry.conn.ctx) }

// monitored is called by the transport for each monitor message.
func (c *Conn) monitored(seq uint16, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries {
		if e.monitor != nil {
			e.monitor(seq, body)
		}
	}
}

func (m *Monitor) received(seq uint16, body []byte) {
	m.entry.queue.push(func(int) {
		msg := parseMonitor(body)
		if m.begun {
			msg.Missed = int(seq - m.next) // whoever lost it, its number is missing
		}
		m.begun, m.next = true, seq+1
		m.fn(msg)
	})
}

func parseMonitor(body []byte) MonitorMessage {
	var msg MonitorMessage
	for id, data := range proto.All(body) {
		var n uint32
		if len(data) == 4 {
			n = binary.BigEndian.Uint32(data)
		}
		switch id {
		case proto.MonitorClient:
			msg.Client = n
		case proto.MonitorPeer:
			msg.Peer = n
		case proto.MonitorSeq:
			msg.Seq = uint16(n)
		case proto.MonitorType:
			msg.Type = int(n)
		case proto.MonitorSend:
			msg.Sent = len(data) == 1 && data[0] != 0
		case proto.MonitorData:
			msg.Body = data
		}
	}
	return msg
}
