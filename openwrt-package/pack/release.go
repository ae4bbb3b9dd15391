// SPDX-License-Identifier: GPL-2.0-only

package pack

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// Release is what all packages of one build have in common.
type Release struct {
	Version string    // 1.2.3
	Number  string    // 1: of the packaging
	Time    time.Time // of every file in every package
}

// Full is the version as opkg and apk know it.
func (r Release) Full() string { return r.Version + "-r" + r.Number }

// ReadRelease takes the version from the feed's Makefile, where it is given once.
func ReadRelease(makefile string, epoch time.Time) (Release, error) {
	text, err := os.ReadFile(makefile)
	if err != nil {
		return Release{}, err
	}
	r := Release{Time: epoch.UTC().Truncate(time.Second)}
	for _, line := range strings.Split(string(text), "\n") {
		name, value, _ := strings.Cut(line, ":=")
		switch name {
		case "PKG_VERSION":
			r.Version = strings.TrimSpace(value)
		case "PKG_RELEASE":
			r.Number = strings.TrimSpace(value)
		}
	}
	if r.Version == "" || r.Number == "" {
		return Release{}, fmt.Errorf("read version from %s: no PKG_VERSION or PKG_RELEASE", makefile)
	}
	return r, nil
}
