// SPDX-License-Identifier: GPL-2.0-only

package broker

import (
	"encoding/binary"
	"io"
	"slices"
	"strings"

	"github.com/mezoura/mezoura/ubus/blobmsg"
	"github.com/mezoura/mezoura/ubus/internal/proto"
)

// bus is everything the broker knows. The broker's lock guards it.
type bus struct {
	broker   *Broker
	clients  map[uint32]*client
	objects  map[uint32]*object
	types    map[uint32]*objectType
	paths    []*object // those with a path, sorted by it
	patterns []*pattern
	monitors []*monitor
	eventSeq uint16
	frame    proto.Writer
}

type object struct {
	id          uint32
	path        string
	named       bool
	typ         *objectType
	client      *client
	subscribers []*object // newest first, as often as they subscribed
	targets     []*object // what it subscribed to, newest first
	seq         uint16    // of what the broker tells it
}

// objectType is a list of methods; objects may share one.
type objectType struct {
	id         uint32
	methods    [][]byte // attributes: name and arguments
	names      []string
	references int
}

func (s *bus) init(b *Broker) {
	*s = bus{broker: b, clients: make(map[uint32]*client), objects: make(map[uint32]*object), types: make(map[uint32]*objectType)}
}

// newID draws an id that nothing of its kind has, 0 if there is no randomness.
func newID[T any](random io.Reader, used map[uint32]T) uint32 {
	var raw [4]byte
	for {
		if _, err := io.ReadFull(random, raw[:]); err != nil {
			return 0
		}
		id := binary.NativeEndian.Uint32(raw[:])
		if _, taken := used[id]; id >= proto.FirstID && !taken {
			return id
		}
	}
}

// join admits a client and greets it.
func (s *bus) join(c *client) bool {
	if c.id = newID(s.broker.opt.Rand, s.clients); c.id == 0 {
		return false
	}
	s.clients[c.id] = c
	s.tell(c, proto.Header{Type: proto.Hello, Peer: c.id}, nil)
	return true
}

// leave takes off a client and all that was its.
func (s *bus) leave(c *client) {
	s.stopMonitor(c)
	for len(c.objects) > 0 {
		s.remove(c.objects[0])
	}
	delete(s.clients, c.id)
}

// tell sends a frame to a client, and to those who watch all frames.
func (s *bus) tell(c *client, h proto.Header, build func(*proto.Writer)) {
	s.frame.Start(h)
	if build != nil {
		build(&s.frame)
	}
	if frame, ok := s.frame.Finish(); ok {
		s.deliver(c, h, frame)
	}
}

func (s *bus) deliver(c *client, h proto.Header, frame []byte) {
	if h.Type != proto.Monitor {
		s.monitored(c, h, frame[proto.PrefixLen:], true)
	}
	c.send(slices.Clone(frame))
}

// add makes an object, as an AddObject message describes it; nil if it cannot be.
func (s *bus) add(c *client, a *proto.Attrs) *object {
	var typ *objectType
	switch {
	case a.Has(proto.AttrObjType):
		typ = s.types[a.Uint32(proto.AttrObjType)]
	case a.Has(proto.AttrSignature):
		typ = s.addType(a[proto.AttrSignature])
	}
	o := &object{id: newID(s.broker.opt.Rand, s.objects), typ: typ, client: c, named: a.Has(proto.AttrObjPath), path: a.Text(proto.AttrObjPath)}
	if typ != nil {
		typ.references++
	}
	at, taken := s.find(o.path)
	if o.id == 0 || o.named && (taken || !s.broker.may(c, Publish, o.path, "", true)) {
		s.dropType(typ)
		return nil
	}
	s.objects[o.id] = o
	if o.named {
		s.paths = slices.Insert(s.paths, at, o)
		s.objectEvent("ubus.object.add", o)
	}
	c.objects = slices.Insert(c.objects, 0, o)
	return o
}

// find returns where in paths a path is, or would be.
func (s *bus) find(path string) (int, bool) {
	return slices.BinarySearchFunc(s.paths, path, func(o *object, path string) int { return strings.Compare(o.path, path) })
}

// remove takes off an object: its subscriptions, its subscribers, its event
// patterns, then itself, in ubusd's order.
func (s *bus) remove(o *object) {
	for len(o.targets) > 0 {
		s.unsubscribe(o, o.targets[0])
	}
	for len(o.subscribers) > 0 {
		sub := o.subscribers[0]
		sub.seq++
		s.tell(sub.client, proto.Header{Type: proto.Unsubscribe, Seq: sub.seq}, func(w *proto.Writer) {
			w.Uint32(proto.AttrObjID, sub.id)
			w.Uint32(proto.AttrTarget, o.id)
		})
		s.unsubscribe(sub, o)
	}
	s.patterns = slices.DeleteFunc(s.patterns, func(p *pattern) bool { return p.object == o })
	if o.named {
		s.objectEvent("ubus.object.remove", o)
		if at, ok := s.find(o.path); ok {
			s.paths = slices.Delete(s.paths, at, at+1)
		}
	}
	o.client.objects = slices.DeleteFunc(o.client.objects, func(x *object) bool { return x == o })
	delete(s.objects, o.id)
	s.dropType(o.typ)
}

func (s *bus) subscribe(sub, target *object) {
	target.subscribers = slices.Insert(target.subscribers, 0, sub)
	sub.targets = slices.Insert(sub.targets, 0, target)
	if len(target.subscribers) == 1 {
		s.tellActive(target)
	}
}

func (s *bus) unsubscribe(sub, target *object) {
	if i := slices.Index(sub.targets, target); i >= 0 {
		sub.targets = slices.Delete(sub.targets, i, i+1)
	}
	if i := slices.Index(target.subscribers, sub); i >= 0 {
		target.subscribers = slices.Delete(target.subscribers, i, i+1)
	}
	if len(target.subscribers) == 0 {
		s.tellActive(target)
	}
}

// tellActive tells an object that it has its first subscriber, or lost its last.
func (s *bus) tellActive(o *object) {
	o.seq++
	s.tell(o.client, proto.Header{Type: proto.Notify, Seq: o.seq}, func(w *proto.Writer) {
		w.Uint32(proto.AttrObjID, o.id)
		w.Bool(proto.AttrActive, len(o.subscribers) > 0)
	})
}

// addType keeps a signature, nil if it is not one.
func (s *bus) addType(signature []byte) *objectType {
	t := &objectType{}
	for len(signature) >= 4 {
		n := int(binary.BigEndian.Uint32(signature) & (1<<24 - 1))
		padded := (n + 3) &^ 3
		if n < 4 || padded > len(signature) {
			break
		}
		attr := signature[:padded:padded]
		name, ok := methodName(attr)
		if !ok {
			return nil
		}
		t.methods, t.names = append(t.methods, attr), append(t.names, name)
		signature = signature[padded:]
	}
	if t.id = newID(s.broker.opt.Rand, s.types); t.id == 0 {
		return nil
	}
	s.types[t.id] = t
	return t
}

func (s *bus) dropType(t *objectType) {
	if t == nil {
		return
	}
	if t.references--; t.references <= 0 {
		delete(s.types, t.id)
	}
}

// methodName checks a method of a signature and returns its name.
func methodName(attr []byte) (string, bool) {
	table, err := blobmsg.Parse(attr)
	if err != nil {
		return "", false
	}
	for name := range table.All() {
		return name, name != ""
	}
	return "", false
}
