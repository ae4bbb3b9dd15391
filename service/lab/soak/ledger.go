// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// ledger is what the daemon's totals are held against beside the talkers' meters.
type ledger struct {
	others uint64      // bytes of floods and visitors, which have to be in the sum of all
	web    *lab.Report // the last of each output
	file   *lab.Report
}

// look holds the daemon's totals against the last ones and, while everybody talks on, against what the wires have carried.
func (s *soak) look() error {
	var r *lab.Report
	for deadline := time.Now().Add(s.Patience); ; time.Sleep(100 * time.Millisecond) {
		var err error
		if r, err = s.read(); err != nil {
			return err
		}
		missing := s.less(r)
		if missing == nil {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("counted less than was sent: %s", strings.Join(missing, "; "))
		}
	}
	if err := s.undated(r); err != nil {
		return err
	}
	for deadline := time.Now().Add(s.Patience); ; time.Sleep(20 * time.Millisecond) {
		more, err := s.more(r)
		if err != nil {
			return err
		}
		if more == nil {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("counted more than was sent: %s", strings.Join(more, "; "))
		}
	}
	for _, t := range s.talkers {
		seen, err := t.metered()
		if err != nil {
			return err
		}
		t.floor = seen.sub(t.forgotten)
	}
	return nil
}

// read reads both outputs, and sees that nothing in them goes backwards, from daemon to daemon.
func (s *soak) read() (*lab.Report, error) {
	web, err := s.setup.Scrape(context.Background())
	if err != nil {
		return nil, err
	}
	if back := s.backwards(web, s.ledger.web); back != nil {
		return nil, fmt.Errorf("went backwards: %s", strings.Join(back, "; "))
	}
	s.ledger.web = web
	file, err := s.setup.ReadTextfile()
	if err != nil {
		return nil, err
	}
	if back := s.backwards(file, s.ledger.file); back != nil {
		return nil, fmt.Errorf("went backwards in the text file: %s", strings.Join(back, "; "))
	}
	s.ledger.file = file
	return web, nil
}

// backwards lists totals that are less than earlier, or gone. Invented hosts may be dropped from the listing, and
// with them the original's rows, which are by address.
func (s *soak) backwards(now, earlier *lab.Report) (back []string) {
	if earlier == nil {
		return nil
	}
	known := map[string]bool{"": true}
	for _, t := range s.talkers {
		known[strings.ToUpper(t.MAC)] = true
	}
	for _, line := range now.Backwards(earlier) {
		name, labels, _ := strings.Cut(line, "{")
		_, mac, _ := strings.Cut(labels, `mac="`)
		mac, _, _ = strings.Cut(mac, `"`)
		if strings.HasPrefix(name, "mezoura_") && known[mac] {
			back = append(back, line)
		}
	}
	return back
}

// counted is what the daemon says of a talker.
func counted(r *lab.Report, t *talker) (a sums) {
	for i, f := range lab.Families {
		a[i] = r.Host(t.Host, f)
	}
	return a
}

// less lists talkers of whom the daemon has not even what the wires had carried at the last look.
func (s *soak) less(r *lab.Report) (list []string) {
	for _, t := range s.talkers {
		if got := counted(r, t); !within(t.floor, got) {
			list = append(list, fmt.Sprintf("%s: counted %s, sent by the look before %s", t.Name, got, t.floor))
		}
	}
	return list
}

// more lists talkers of whom the daemon has more than the wires have carried by now.
func (s *soak) more(r *lab.Report) (list []string, err error) {
	for _, t := range s.talkers {
		seen, err := t.metered()
		if err != nil {
			return nil, err
		}
		if got, most := counted(r, t), seen.sub(t.forgotten); !within(got, most) {
			list = append(list, fmt.Sprintf("%s: counted %s, sent %s", t.Name, got, most))
		}
	}
	return list, nil
}

// within tells whether no count of the first is more than that of the second.
func within(a, b sums) bool {
	fewer := func(x, y lab.Traffic) bool { return x.Bytes <= y.Bytes && x.Packets <= y.Packets }
	for f := range a {
		if !fewer(a[f].Download, b[f].Download) || !fewer(a[f].Upload, b[f].Upload) {
			return false
		}
	}
	return true
}

func (a sums) String() string {
	var list []string
	for i, f := range lab.Families {
		list = append(list, fmt.Sprintf("%s %s", f, a[i]))
	}
	return strings.Join(list, ", ")
}

// checkpoint has everybody fall silent, and wants the daemon's numbers to become the meters' to the byte, and to stay so.
func (s *soak) checkpoint(ctx context.Context) error {
	s.journal.begin("checkpoint")
	for _, t := range s.talkers {
		if err := s.pause(t); err != nil {
			return err
		}
	}
	sent := make([]sums, len(s.talkers))
	for i, t := range s.talkers {
		var err error
		if sent[i], err = t.settled(); err != nil {
			return err
		}
	}
	if err := s.await(ctx, sent); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := s.ours.note(s.daemon.PID(), s.setup.BPFFS); err != nil {
		return err
	}
	f, err := s.flat(ctx, s.first[s.modes[0]], footprint.left)
	if err != nil {
		return fmt.Errorf("checkpoint: since the first daemon, %w", err)
	}
	s.journal.end()
	var total lab.Counts
	for _, sent := range sent {
		total = total.Add(sent[0].Add(sent[1]))
	}
	s.Logf("%4.0f s: %s, and %d B of others; %s; %s", time.Since(s.journal.began).Seconds(), total, s.ledger.others, f, s.journal.counts())
	for _, t := range s.talkers {
		s.resume(t)
	}
	return nil
}

// await waits until both outputs say what was sent, and sees that they stay so: a packet counted twice would show a
// moment later.
func (s *soak) await(ctx context.Context, sent []sums) error {
	deadline, confirm := time.Now().Add(s.Patience), time.Time{}
	for ; ; time.Sleep(50 * time.Millisecond) {
		web, err := s.read()
		if err != nil {
			return err
		}
		wrong := s.differences(web, sent)
		if wrong == nil {
			for _, line := range s.differences(s.ledger.file, sent) {
				wrong = append(wrong, "text file: "+line)
			}
		}
		switch now := time.Now(); {
		case wrong == nil && confirm.IsZero():
			confirm = now.Add(s.setup.Interval + s.setup.Interval/2)
		case wrong == nil && now.After(confirm), ctx.Err() != nil:
			return ctx.Err()
		case wrong != nil && (!confirm.IsZero() || now.After(deadline)):
			return errors.New(strings.Join(wrong, "\n"))
		}
	}
}

// differences tells what a report has otherwise than sent: of each talker, and of all there is.
func (s *soak) differences(r *lab.Report, sent []sums) (wrong []string) {
	all := s.ledger.others
	for i, t := range s.talkers {
		all += sent[i].bytes()
		for f, family := range lab.Families {
			if got, want := r.Host(t.Host, family), sent[i].sub(t.forgotten)[f]; got != want {
				wrong = append(wrong, fmt.Sprintf("%s (%s) %s on %s: counted %s, sent %s", t.Name, t.MAC, family, t.Network.Device, got, want))
			}
		}
	}
	got := r.Sum("mezoura_network_bytes_total")
	nobody := r.Unattributed()
	for _, reason := range []string{"no_prefix", "table_full", "malformed"} { // limit is in the networks' totals, groups are not metered
		got += nobody[reason]
	}
	if got != all {
		wrong = append(wrong, fmt.Sprintf("all networks and nobody (%v): counted %d B, sent %d B", nobody, got, all))
	}
	return wrong
}

// lost tells what the laboratory's own devices have dropped: such frames are no fault of the daemon's.
func (s *soak) lost() string {
	var list []string
	for _, t := range s.talkers {
		near, err1 := t.ReadDevice(t.Device)
		port, err2 := s.home.Router.ReadDevice(t.Port)
		if n := near.TxDropped + port.RxDropped + port.TxDropped + near.RxDropped; err1 == nil && err2 == nil && n > 0 {
			list = append(list, fmt.Sprintf("%s: %d up, %d down", t.Name, near.TxDropped+port.RxDropped, port.TxDropped+near.RxDropped))
		}
	}
	if list == nil {
		return "none"
	}
	return strings.Join(list, "; ")
}
