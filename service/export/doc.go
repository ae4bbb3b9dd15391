// SPDX-License-Identifier: GPL-2.0-only

// Package export shows Snapshots to Prometheus: as a text file, and over HTTP.
//
// The exposition is written by hand, straight from the Snapshot into a small
// buffer, and not gathered by client_golang: that builds every series as a
// protobuf message first, which takes tens of megabytes and more than the
// allowed time for ten thousand hosts, and can write neither the label order
// nor the whole numbers of the original's file. client_golang is what the
// tests hold the output against, series by series, in both formats.
//
// Metrics and Server are safe for concurrent use. A Server lives from Listen
// to Close. Nothing is written to a Snapshot.
package export
