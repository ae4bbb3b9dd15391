// SPDX-License-Identifier: GPL-2.0-only

package kernels

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

const module = "github.com/mezoura/mezoura"

// Builder compiles what runs in the guests, once for each architecture.
type Builder struct {
	top    string // the project
	folder string

	mu     sync.Mutex
	builds map[string]*build
}

type build struct {
	once   sync.Once
	folder string
	err    error
}

// NewBuilder makes a builder of the project whose go.mod is in top; binaries go below folder.
func NewBuilder(top, folder string) *Builder {
	return &Builder{top: top, folder: folder, builds: map[string]*build{}}
}

// Binaries returns the folder with a row's binaries: init, inside, mezoura, bpf.test.
func (b *Builder) Binaries(ctx context.Context, r Row) (string, error) {
	b.mu.Lock()
	one := b.builds[r.Arch]
	if one == nil {
		one = &build{folder: filepath.Join(b.folder, r.Arch)}
		b.builds[r.Arch] = one
	}
	b.mu.Unlock()
	one.once.Do(func() { one.err = b.compile(ctx, r, one.folder) })
	return one.folder, one.err
}

func (b *Builder) compile(ctx context.Context, r Row, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	const strip = "-ldflags=-s -w"
	for _, args := range [][]string{
		{"build", "-trimpath", strip, "-o", folder + string(filepath.Separator), module + "/service/lab/guest/init", module + "/service/lab/kernels/inside"},
		{"build", "-trimpath", strip, "-tags=nethttpomithttp2", "-o", filepath.Join(folder, "mezoura"), module + "/service/mezoura"},
		{"test", "-c", "-trimpath", strip, "-o", filepath.Join(folder, "bpf.test"), module + "/bpf"},
	} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = b.top
		cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+r.Arch), r.Env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build for %s: %w: %s", r.Arch, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
