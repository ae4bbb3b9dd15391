// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"fmt"
	"strings"

	"github.com/mezoura/mezoura/service/lab"
)

// watch sees that no total ever goes backwards, from daemon to daemon.
type watch struct {
	setup *lab.Setup
	last  *lab.Report
}

func (w *watch) look() error {
	r, err := w.setup.Scrape(context.Background())
	if err != nil {
		return err
	}
	if w.last != nil {
		if back := r.Backwards(w.last); back != nil {
			return fmt.Errorf("went backwards: %s", strings.Join(back, "; "))
		}
	}
	w.last = r
	return nil
}
