// SPDX-License-Identifier: GPL-2.0-only

package broker

import (
	"slices"
	"strings"

	"github.com/mezoura/mezoura/ubus/blobmsg"
	"github.com/mezoura/mezoura/ubus/internal/proto"
)

// pattern is what an object listens for.
type pattern struct {
	text    string
	partial bool // an event that starts with text matches
	object  *object
}

func (p *pattern) matches(event string) bool {
	return p.text == event || p.partial && strings.HasPrefix(event, p.text)
}

// monitor is a client that receives every message.
type monitor struct {
	client *client
	seq    uint16
}

// eventObject is the broker's object 1: listening and sending.
func (s *bus) eventObject(c *client, method string, data []byte) int {
	if method != "register" && method != "send" {
		return proto.InvalidCommand
	}
	args, err := blobmsg.Parse(data)
	if err != nil || data == nil {
		return proto.InvalidArgument
	}
	if method == "register" {
		return s.register(c, args)
	}
	name, payload := args.Get("id"), args.Get("data")
	if name.Type() != blobmsg.String || payload.Type() != blobmsg.TypeTable {
		return proto.InvalidArgument
	}
	event := args.Text("id")
	if strings.HasPrefix(event, "ubus.") || !s.broker.may(c, Send, event, "", true) {
		return proto.PermissionDenied
	}
	s.event(c, event, args.Table("data"))
	return proto.OK
}

func (s *bus) register(c *client, args blobmsg.Table) int {
	if args.Get("object").Type() != blobmsg.Int32 || args.Get("pattern").Type() != blobmsg.String {
		return proto.InvalidArgument
	}
	id := uint32(args.Int("object"))
	o := s.objects[id]
	switch {
	case id < proto.FirstID:
		return proto.PermissionDenied
	case o == nil:
		return proto.NotFound
	case o.client != c, args.Text("pattern") == "":
		return proto.PermissionDenied
	}
	text, partial := strings.CutSuffix(args.Text("pattern"), "*")
	if !s.broker.may(c, Listening, text, "", true) {
		return proto.PermissionDenied
	}
	at, _ := slices.BinarySearchFunc(s.patterns, text, func(p *pattern, text string) int { return strings.Compare(p.text, text) })
	s.patterns = slices.Insert(s.patterns, at, &pattern{text: text, partial: partial, object: o})
	return proto.OK
}

// event goes to every object that listens for it, once, but not back to the
// client that sent it.
func (s *bus) event(from *client, name string, data blobmsg.Table) {
	seen := make(map[*object]bool)
	for _, p := range s.patterns {
		if p.text > name {
			break // neither it nor what follows is the name or a start of it
		}
		o := p.object
		if o.client == from || seen[o] || !p.matches(name) {
			continue
		}
		seen[o] = true
		s.eventSeq++
		s.tell(o.client, proto.Header{Type: proto.Invoke, Seq: s.eventSeq}, func(w *proto.Writer) {
			w.Uint32(proto.AttrObjID, o.id)
			w.Text(proto.AttrMethod, name)
			w.Bytes(proto.AttrData, data.Bytes())
		})
	}
}

// objectEvent says that an object came or goes.
func (s *bus) objectEvent(name string, o *object) {
	var b blobmsg.Builder
	b.Int32("id", int32(o.id))
	b.String("path", o.path)
	if data, err := b.Table(); err == nil {
		s.event(nil, name, data)
	}
}

// aclObject is the broker's object 2: which rules apply to a client's objects.
// Without access files there are none.
func (s *bus) aclObject(c *client, f proto.Frame, method string) int {
	if method != "query" {
		return proto.InvalidCommand
	}
	var b blobmsg.Builder
	b.Int32("seq", 0)
	b.OpenArray("acl")
	b.Close()
	table, err := b.Table()
	if err != nil {
		return proto.InvalidArgument
	}
	s.data(c, f.Header, func(w *proto.Writer) {
		w.Uint32(proto.AttrObjID, proto.ObjectACL)
		w.Bytes(proto.AttrData, table.Bytes())
	})
	return proto.OK
}

// monitorObject is the broker's object 3.
func (s *bus) monitorObject(c *client, method string) int {
	if !s.broker.privileged(c.who) {
		return proto.PermissionDenied
	}
	switch method {
	case "add":
		s.stopMonitor(c)
		s.monitors = append(s.monitors, &monitor{client: c})
	case "remove":
		s.stopMonitor(c)
	default:
		return proto.MethodNotFound
	}
	return proto.OK
}

func (s *bus) stopMonitor(c *client) {
	s.monitors = slices.DeleteFunc(s.monitors, func(m *monitor) bool { return m.client == c })
}

// monitored tells those who watch all messages of one; sent means by us.
func (s *bus) monitored(c *client, h proto.Header, body []byte, sent bool) {
	if len(s.monitors) == 0 {
		return
	}
	var w proto.Writer // s.frame may be what is being sent
	for _, m := range s.monitors {
		m.seq++
		w.Start(proto.Header{Type: proto.Monitor, Seq: m.seq})
		w.Uint32(proto.MonitorClient, c.id)
		w.Uint32(proto.MonitorPeer, h.Peer)
		w.Uint32(proto.MonitorSeq, uint32(h.Seq))
		w.Uint32(proto.MonitorType, uint32(h.Type))
		w.Bool(proto.MonitorSend, sent)
		w.Bytes(proto.MonitorData, body)
		if frame, ok := w.Finish(); ok {
			m.client.send(slices.Clone(frame))
		}
	}
}
