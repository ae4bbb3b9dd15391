// SPDX-License-Identifier: GPL-2.0-only

// Package fleet is what many routers need at the other end: Prometheus' scrape
// configuration, recording and alert rules, and a dashboard for Grafana. There is
// no Go code in it but the tests, which hold all of it against the real programs.
package fleet
