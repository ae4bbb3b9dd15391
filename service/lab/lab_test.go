// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/mezoura/mezoura/service/lab"
)

// open makes a lab for one test. Without root the test skips, unless the environment says that it must not.
func open(t testing.TB) *lab.Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		unable(t, "network namespaces need root")
	}
	l, err := lab.Open()
	check(t, err)
	t.Cleanup(func() { check(t, l.Close()) })
	return l
}

// unable skips a test that this machine cannot run, or fails it where nothing may skip.
func unable(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("MEZOURA_REQUIRE_ROOT") == "1" {
		t.Fatalf("must not skip here: %s", why)
	}
	t.Skip(why)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// try unwraps a value and its error.
func try[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

// meters starts a meter on every host.
func meters(t testing.TB, hosts []*lab.Host) []*lab.Meter {
	t.Helper()
	var m []*lab.Meter
	for _, h := range hosts {
		m = append(m, try(h.Meter())(t))
	}
	return m
}

// everyWay sends TCP and UDP of both families both ways between a host and the internet, amounts differing by n.
func everyWay(h *lab.Host, in *lab.Internet, n int) error {
	ctx := context.Background()
	for _, f := range lab.Families {
		s := lab.Stream{Client: h.Namespace, From: h.Addr(f), Server: in.Namespace, Listen: in.Addr(f),
			Upload: 300_000 + int64(n)*1000, Download: 700_000 + int64(n)*2000, Buffer: 64 << 10}
		if _, _, err := s.Run(ctx); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
		d := lab.Datagrams{Client: h.Namespace, From: h.Addr(f), Server: in.Namespace, Listen: in.Addr(f),
			Upload: 40 + n, Download: 50 + 2*n, Size: 1000 + n}
		if _, err := d.Run(ctx); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	return nil
}
