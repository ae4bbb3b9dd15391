// SPDX-License-Identifier: GPL-2.0-only

// Package proto is the ubus socket protocol: numbers, frames and attributes,
// for both ends of it.
//
// A frame is a header of eight bytes (version 0, type, sequence number in two
// bytes, peer in four, all big endian) and one blob attribute, the length of
// which counts its own header of four bytes. Within it are the attributes of
// the message, numbered, without names.
//
// The package keeps no state. What it returns from a frame points into it.
package proto

// Message types.
const (
	Hello byte = iota
	Status
	Data
	Ping
	Lookup
	Invoke
	AddObject
	RemoveObject
	Subscribe
	Unsubscribe
	Notify
	Monitor
	LastType // not a type
)

// Attributes of a message.
const (
	AttrUnspec = iota
	AttrStatus
	AttrObjPath
	AttrObjID
	AttrMethod
	AttrObjType
	AttrSignature
	AttrData
	AttrTarget
	AttrActive
	AttrNoReply
	AttrSubscribers
	AttrUser
	AttrGroup
	attrMax
)

// Attributes of a Monitor message.
const (
	MonitorClient = iota
	MonitorPeer
	MonitorSend
	MonitorSeq
	MonitorType
	MonitorData
)

// Objects that the broker itself has, and the first number that is an id.
const (
	ObjectEvent   = 1
	ObjectACL     = 2
	ObjectMonitor = 3
	FirstID       = 1024
)

// Status codes that the broker answers with.
const (
	OK = iota
	InvalidCommand
	InvalidArgument
	MethodNotFound
	NotFound
	NoData
	PermissionDenied
)

const (
	// MaxMessage is the longest blob, its header included.
	MaxMessage = 1 << 20
	// HeaderLen is the length of a frame's header, PrefixLen with the blob's.
	HeaderLen = 8
	PrefixLen = HeaderLen + blobHeader

	blobHeader = 4
	lenMask    = 1<<24 - 1
	idShift    = 24
	idMask     = 0x7f
)

func pad(n int) int { return (n + 3) &^ 3 }
