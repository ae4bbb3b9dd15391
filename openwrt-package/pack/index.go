// SPDX-License-Identifier: GPL-2.0-only

package pack

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sort"
)

// Index writes Packages and Packages.gz for the .ipk files of a folder, which
// opkg then takes as a feed.
func Index(folder string) error {
	names, err := filepath.Glob(filepath.Join(folder, "*.ipk"))
	if err != nil {
		return err
	}
	sort.Strings(names)
	var index bytes.Buffer
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		outer, err := untar(data)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		control, err := untar(outer.body("control.tar.gz"))
		if err != nil {
			return fmt.Errorf("read %s: control: %w", name, err)
		}
		before, description, found := bytes.Cut(control.body("control"), []byte("\nDescription:"))
		if !found {
			return fmt.Errorf("read %s: no Description", name)
		}
		fmt.Fprintf(&index, "%s\nFilename: %s\nSize: %d\nSHA256sum: %x\nDescription:%s\n",
			before, filepath.Base(name), len(data), sha256.Sum256(data), description)
	}
	if err := os.WriteFile(filepath.Join(folder, "Packages"), index.Bytes(), 0o644); err != nil {
		return err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(index.Bytes()); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "Packages.gz"), packed.Bytes(), 0o644)
}
