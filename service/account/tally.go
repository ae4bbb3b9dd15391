// SPDX-License-Identifier: GPL-2.0-only

package account

func (t *Traffic) add(o Traffic) {
	t.Bytes += o.Bytes
	t.Packets += o.Packets
}

func (t *Traffic) sub(o Traffic) {
	t.Bytes -= o.Bytes
	t.Packets -= o.Packets
}

func (c *Counters) add(o Counters) {
	c.Download.add(o.Download)
	c.Upload.add(o.Upload)
}

func (c *Counters) sub(o Counters) {
	c.Download.sub(o.Download)
	c.Upload.sub(o.Upload)
}

// tally is one total that survives the generations of the kernel's tables.
//
// closed is modulo 2^64: a reset subtracts what has been shown, of which a part
// may still be live, so closed alone may be "negative". That makes it the
// baseline of the reset as well, and needs no second number.
type tally struct {
	closed Counters // what ended generations counted
	live   Counters // what the running generation has counted so far
	shown  Counters // what is published; only reset lowers it
}

// settle publishes closed + live where that is more than what is published.
func (t *tally) settle() {
	raise(&t.shown.Download.Bytes, t.closed.Download.Bytes+t.live.Download.Bytes)
	raise(&t.shown.Download.Packets, t.closed.Download.Packets+t.live.Download.Packets)
	raise(&t.shown.Upload.Bytes, t.closed.Upload.Bytes+t.live.Upload.Bytes)
	raise(&t.shown.Upload.Packets, t.closed.Upload.Packets+t.live.Upload.Packets)
}

// raise ignores an exact total that is still below the baseline of a reset.
func raise(shown *uint64, exact uint64) {
	if exact > *shown && int64(exact) >= 0 {
		*shown = exact
	}
}

// advanced tells whether settle would publish something.
func (t *tally) advanced() bool {
	n := *t
	n.settle()
	return n.shown != t.shown
}

// end makes what was live part of the ended generations.
func (t *tally) end() {
	t.closed.add(t.live)
	t.live = Counters{}
}

// take adds what another total, which is no longer live, has published.
func (t *tally) take(shown Counters) {
	t.closed.add(shown)
	t.shown.add(shown)
}

// reset makes the published total zero and returns what it was.
func (t *tally) reset() Counters {
	was := t.shown
	t.closed.sub(was)
	t.shown = Counters{}
	return was
}
