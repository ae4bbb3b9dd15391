// SPDX-License-Identifier: GPL-2.0-only

// Package blobmsg reads and writes blobmsg, the data format of OpenWrt's ubus
// (libubox): typed, named attributes, big endian, padded to four bytes.
//
// A [Table] is an encoded table: [Marshal] and [Builder] make one from Go
// values, [Parse] makes one from bytes that came from elsewhere. Parse checks
// the whole message once, so that everything that reads a Table afterwards
// needs no error for a malformed one.
//
// # Types
//
//	blobmsg   Go, written from                    Go, read as
//	int8      bool, int8                          bool if 0 or 1, else int8
//	int16     int16, uint8                        int16
//	int32     int32, uint16; int, uint if they fit  int32
//	int64     int64, uint32, uint64; int, uint    int64
//	double    float32, float64                    float64
//	string    string, []byte, TextMarshaler       string
//	table     struct, map[string]T, Fields, Table Table
//	array     slice, array, Array                 Array
//	unspec    nil, nil pointer or interface       nil
//
// blobmsg has no unsigned numbers and no booleans of its own: an int8 is what
// every ubus service uses as a boolean, and what the ubus tool prints as one.
// Signed numbers keep the width of their Go type, since a ubus service refuses
// an argument of another width; int and uint take the width that the ubus
// tool gives to the same number in JSON.
//
// Strings end at a NUL byte and most readers print them into JSON unseen.
// Writing therefore does what encoding/json does: bytes that are not UTF-8,
// and NUL, become U+FFFD. Reading gives the bytes as they came.
//
// # Lifetime and concurrency
//
// Tables, Arrays and Values are immutable views: safe for concurrent use, and
// they keep alive the bytes they were made from, which must not change. A
// Builder belongs to one goroutine. The package keeps no state.
package blobmsg
