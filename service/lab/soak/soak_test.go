// SPDX-License-Identifier: GPL-2.0-only

package soak_test

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

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
	o := soak.Options{Binary: os.Getenv("MEZOURA_BINARY"), Duration: 30 * time.Second, Seed: rand.Uint64(), Logf: t.Logf}
	if text := os.Getenv("MEZOURA_SOAK_MINUTES"); text != "" {
		minutes, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		o.Duration = time.Duration(minutes * float64(time.Minute))
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
	if o.Binary == "" {
		o.Binary = filepath.Join(t.TempDir(), "mezoura")
		cmd := exec.Command("go", "build", "-o", o.Binary, "github.com/mezoura/mezoura/service/mezoura")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build daemon: %v: %s", err, out)
		}
	}
	if err := soak.Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
}
