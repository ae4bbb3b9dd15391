// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	differentialPackets = 1_050_000
	batchSize           = 5000
)

// TestDifferential runs random and mutated frames through the program and through the model: the counters have to be the
// same. MEZOURA_SEED repeats a run, MEZOURA_PACKETS makes it longer.
func TestDifferential(t *testing.T) {
	needBPF(t)
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("MEZOURA_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("MEZOURA_SEED: %v", err)
		}
	}
	packets := differentialPackets
	if s := os.Getenv("MEZOURA_PACKETS"); s != "" {
		var err error
		if packets, err = strconv.Atoi(s); err != nil {
			t.Fatalf("MEZOURA_PACKETS: %v", err)
		}
	}
	t.Logf("MEZOURA_SEED=%d", seed)

	cpus := onlineCPUs(t)
	variants := []variant{upload, download, downloadPort, uploadRaw, downloadRaw}
	batches := (packets + batchSize - 1) / batchSize
	next := make(chan int, batches)
	for i := range batches {
		next <- i
	}
	close(next)
	var workers sync.WaitGroup
	var mu sync.Mutex
	ran, outcomes := 0, [3]int{}
	for _, cpu := range cpus {
		workers.Add(1)
		go func() {
			defer workers.Done()
			privateNetns(t)
			bindCPU(t, cpu)
			d := newDifferential(t)
			for i := range next {
				if t.Failed() {
					return
				}
				h := hook{variants[i%len(variants)], i % 3}
				o := d.batch(t, h, rand.New(rand.NewPCG(seed, uint64(i))))
				mu.Lock()
				ran += batchSize
				for k, n := range o {
					outcomes[k] += n
				}
				mu.Unlock()
			}
		}()
	}
	workers.Wait()
	t.Logf("%d packets: %d not to be counted, %d counted, %d unattributed", ran, outcomes[uncounted], outcomes[counted], outcomes[unattributed])
	if !t.Failed() && ran < packets {
		t.Errorf("%d packets ran, expected %d", ran, packets)
	}
	for k, n := range outcomes {
		if !t.Failed() && n < ran/50 {
			t.Errorf("outcome %d came %d times of %d: the packets try too little", k, n, ran)
		}
	}
}

// differential is what one worker has.
type differential struct {
	tables  *Tables
	runners map[hook]*runner
	ports   []int
}

func newDifferential(t *testing.T) *differential {
	return &differential{
		tables: newTables(t, Size{Addresses: 4096, CPUs: possibleCPUs(t)}), runners: map[hook]*runner{}, ports: devices(t, 3),
	}
}

// step is a packet of a batch, and the time when it comes.
type step struct {
	packet
	clock uint32
}

// batch runs packets of one generator, and compares. It tells how often each outcome was expected.
func (d *differential) batch(t *testing.T, h hook, random *rand.Rand) (outcomes [3]int) {
	run := d.runners[h]
	if run == nil {
		run = loaded(t, d.tables, h)
		d.runners[h] = run
	}
	g := &generator{Rand: random, hook: h, ports: d.ports}
	g.newRules()
	if len(d.tables.names) > 0 { // its networks are others
		d.tables.names = nil
	}
	mustApply(t, d.tables, g.rules)

	var steps []step
	clock := random.Uint32() >> 8
	for range batchSize {
		if random.IntN(200) == 0 {
			clock += uint32(random.IntN(3))
		}
		steps = append(steps, step{g.packet(), clock})
	}
	b := newBook(g.rules)
	d.tables.wipe(t)
	for _, s := range steps {
		d.step(t, run, b, h, s)
		outcomes[classify(b.rules, h, s.packet).verdict]++
	}
	if len(differences(tallyOf(mustRead(t, d.tables)), b.tally())) == 0 {
		return outcomes
	}

	// Once more, looking after each packet.
	b = newBook(g.rules)
	d.tables.wipe(t)
	for i, s := range steps {
		d.step(t, run, b, h, s)
		if lines := differences(tallyOf(mustRead(t, d.tables)), b.tally()); len(lines) > 0 {
			t.Errorf("%s, segment %d, packet %d: %d bytes, gso_segs %d, gso_size %d, ifindex %d\n% x\nnetworks %+v\ninternal %v\nforeign %v\nown %v\n%s",
				h.variant, h.segment, i, len(s.frame), s.gsoSegs, s.gsoSize, s.ifindex, s.frame,
				g.rules.Networks, g.rules.Internal, g.rules.Foreign, g.rules.Own, fmt.Sprint(lines))
			return outcomes
		}
	}
	t.Errorf("%s: the batch differs, its packets one by one do not", h.variant)
	return outcomes
}

func (d *differential) step(t *testing.T, run *runner, b *book, h hook, s step) {
	if b.clock != s.clock {
		b.clock = s.clock
		d.tables.SetClock(s.clock)
	}
	b.count(h, s.packet)
	mustRun(t, run, s.packet)
}
