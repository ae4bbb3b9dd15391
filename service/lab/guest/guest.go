// SPDX-License-Identifier: GPL-2.0-only

package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Guest is what is booted: a kernel and what runs on it.
type Guest struct {
	Kernel  *Kernel
	Machine *Machine          // nil is a PC
	Init    string            // path of the init binary, built from the package guest/init
	Command []string          // what init runs; its first word is a path in the guest
	Env     []string          // of the command
	Files   map[string]string // path in the guest -> path here; executable
	Links   map[string]string // path in the guest -> what the link there says
	Tools   []string          // programs of this machine, found on PATH, with their libraries
	Modules []string
	Memory  int       // MiB
	Console io.Writer // gets the guest's output as it comes; may be nil

	Used time.Duration // processor time that the last Boot took
}

// Boot runs the guest to its end, and returns what its command printed. The error tells of a command that failed as
// well as of a guest that did not boot.
func (g *Guest) Boot(ctx context.Context) (string, error) {
	folder, err := os.MkdirTemp("", "mezoura-guest-")
	if err != nil {
		return "", fmt.Errorf("boot guest: %w", err)
	}
	defer os.RemoveAll(folder)
	image := filepath.Join(folder, "initramfs")
	if err := g.pack(ctx, image); err != nil {
		return "", fmt.Errorf("pack initramfs: %w", err)
	}
	machine := g.Machine
	if machine == nil {
		machine = &PC
	}
	line := machine.command(g.Kernel.Image, image, g.Memory)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	// The guest is to die with this process, and the kernel means the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var text strings.Builder
	cmd.Stdout = &text
	if g.Console != nil {
		cmd.Stdout = io.MultiWriter(&text, g.Console)
	}
	cmd.Stderr = cmd.Stdout
	err = cmd.Run()
	if cmd.ProcessState != nil {
		g.Used = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	out := strings.ReplaceAll(text.String(), "\r", "")
	if err != nil {
		return out, fmt.Errorf("boot guest: %w", errors.Join(ctx.Err(), err))
	}
	end := endLine.FindStringSubmatch(out)
	switch {
	case end == nil:
		return out, ErrEnded
	case end[1] != "0":
		return out, fmt.Errorf("command in guest %s: exit status %s", g.Kernel.Version, end[1])
	}
	return out, nil
}

// ErrEnded is a guest that went before its command had ended: it crashed, or somebody ended it.
var ErrEnded = errors.New("boot guest: it ended before its command did")

// endLine is what init prints when the command has ended.
var endLine = regexp.MustCompile(`(?m)^guest: command ended: (-?\d+)$`)

func (g *Guest) pack(ctx context.Context, image string) error {
	f, err := os.Create(image)
	if err != nil {
		return err
	}
	defer f.Close()
	a := newArchive(f)
	for _, name := range []string{"dev", "proc", "sys", "run", "tmp", "etc", "var/run"} {
		a.folder(name)
	}
	a.entry("dev/console", typeDevice|0o600, [2]int{5, 1}, nil)
	a.copy("init", g.Init)
	a.file("command", 0o644, []byte(strings.Join(g.Command, "\n")))
	a.file("environment", 0o644, []byte(strings.Join(g.Env, "\n")))
	a.file("etc/passwd", 0o644, []byte("root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"))
	a.file("etc/group", 0o644, []byte("root:x:0:\nnogroup:x:65534:\n"))
	for to, from := range g.Files {
		a.copy(to, from)
	}
	for from, to := range g.Links {
		a.link(from, to)
	}
	for _, tool := range g.Tools {
		path, err := exec.LookPath(tool)
		if err != nil {
			return fmt.Errorf("find tool for the guest: %w", err)
		}
		if err := addTool(ctx, a, path); err != nil {
			return fmt.Errorf("add tool %s: %w", tool, err)
		}
	}
	if g.Kernel.Modules == "" {
		a.file("modules/list", 0o644, nil)
	} else if err := g.Kernel.addModules(ctx, a, g.Modules); err != nil {
		return err
	}
	return errors.Join(a.close(), f.Sync())
}
