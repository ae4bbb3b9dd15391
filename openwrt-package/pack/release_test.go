// SPDX-License-Identifier: GPL-2.0-only

package pack_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mezoura/mezoura/openwrt-package/pack"
)

func TestReadRelease(t *testing.T) {
	file := filepath.Join(t.TempDir(), "Makefile")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("PKG_NAME:=x\nPKG_VERSION:=1.2.3\nPKG_RELEASE:= 4\n")
	r, err := pack.ReadRelease(file, time.Unix(5, 6))
	if err != nil || r.Full() != "1.2.3-r4" || !r.Time.Equal(time.Unix(5, 0)) {
		t.Errorf("%+v, error %v", r, err)
	}
	write("PKG_VERSION:=1.2.3\n")
	if _, err := pack.ReadRelease(file, time.Unix(5, 0)); err == nil {
		t.Error("without PKG_RELEASE: no error")
	}
}

func TestArchByName(t *testing.T) {
	for _, want := range pack.Archs() {
		if got, err := pack.ArchByName(want.Name); err != nil || got.Name != want.Name {
			t.Errorf("%s: %s, error %v", want.Name, got.Name, err)
		}
	}
	if _, err := pack.ArchByName("mips_74kc"); err == nil {
		t.Error("unknown architecture: no error")
	}
}
