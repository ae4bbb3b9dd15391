// SPDX-License-Identifier: GPL-2.0-only

package soak_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/lab"
	"github.com/mezoura/mezoura/service/lab/guest"
	"github.com/mezoura/mezoura/service/lab/soak"
)

// TestSoak soaks the daemon for half a minute, or for as many minutes as MEZOURA_SOAK_MINUTES says. MEZOURA_SEED repeats
// the events of a run; the traffic is never quite the same. MEZOURA_SOAK_EVENTS names the only events to bring about
// ("flooding bridge,turn"), for hunting.
func TestSoak(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("MEZOURA_REQUIRE_ROOT") == "1" {
			t.Fatal("must not skip here: network namespaces need root")
		}
		t.Skip("network namespaces need root")
	}
	t.Parallel()
	o := soak.Options{Binary: daemonBinary(t), Duration: 30 * time.Second, Patience: 20 * time.Second, Seed: rand.Uint64(), Logf: t.Logf}
	if os.Getenv(guest.Inside) != "" { // a machine of its own, emulated on a busy one
		o.Clock, o.Patience = true, time.Minute
	}
	if text := os.Getenv(minutes); text != "" {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		o.Duration = time.Duration(n * float64(time.Minute))
	}
	if text := os.Getenv("MEZOURA_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		o.Seed = seed
	}
	if text := os.Getenv("MEZOURA_SOAK_EVENTS"); text != "" {
		o.Only = strings.Split(text, ",")
	}
	if err := soak.Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
}

// minutes in the environment says how long to soak.
const minutes = "MEZOURA_SOAK_MINUTES"

// TestSoakClock soaks the daemon in a guest, as long as TestSoak here: there the wall clock is set by seconds and by
// years beside all the rest.
func TestSoakClock(t *testing.T) {
	if os.Getenv(minutes) == "" {
		t.Skip("boots a guest: set " + minutes + ", or make soak")
	}
	if os.Getenv(guest.Inside) != "" {
		t.Skip("this is the guest: TestSoak does it")
	}
	t.Parallel()
	ctx := context.Background()
	g, err := guest.Laboratory(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	g.Tools = append(g.Tools, self)
	g.Files["/soak.test"], g.Files["/mezoura"] = self, daemonBinary(t)
	g.Command = []string{"/soak.test", "-test.v", "-test.timeout=24h", "-test.run=^TestSoak$"}
	g.Env = append(g.Env, "MEZOURA_BINARY=/mezoura")
	for _, name := range []string{minutes, "MEZOURA_SEED", "MEZOURA_SOAK_EVENTS"} {
		if value := os.Getenv(name); value != "" {
			g.Env = append(g.Env, name+"="+value)
		}
	}
	out, err := g.Boot(ctx)
	if err != nil || !strings.Contains(out, "\n--- PASS: TestSoak (") {
		t.Fatalf("%v\n%s", err, out)
	}
	_, said, _ := strings.Cut(out, "=== RUN")
	t.Logf("in a guest:%s", said)
}

func daemonBinary(t *testing.T) string {
	t.Helper()
	path, err := lab.Binary(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}
