// SPDX-License-Identifier: GPL-2.0-only

package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// Kernel is an unpacked kernel package.
type Kernel struct {
	Version string // as uname -r
	Image   string // path of vmlinuz
	Modules string // path of lib/modules/VERSION; "" for a kernel without modules
}

// Wanted names a kernel package of Debian.
type Wanted struct {
	Suite   string // bookworm, trixie, ...
	Arch    string // Debian's name: amd64, arm64, ...
	Package string // a regular expression for the whole name; of several, the newest is taken
}

// Cloud612 is Debian 13's kernel for virtual machines: what OpenWrt 25.12 has, with tcx and flowtables.
var Cloud612 = Wanted{Suite: "trixie", Arch: "amd64", Package: `linux-image-6\.12\.[0-9]+\+deb13-cloud-amd64`}

// Fetch returns a kernel, from the cache if it is there. It downloads by apt with a state of its own: nothing is
// installed, and the machine's own package lists are not touched.
func Fetch(ctx context.Context, w Wanted, cache string) (*Kernel, error) {
	folder := filepath.Join(cache, w.Suite+"-"+w.Arch)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("fetch kernel: %w", err)
	}
	unlock, err := Lock(filepath.Join(folder, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if k, err := unpacked(folder, w); err == nil {
		return k, nil
	}
	if _, err := fetch(ctx, folder, w); err != nil {
		return nil, fmt.Errorf("fetch kernel %s for %s from %s: %w", w.Package, w.Arch, w.Suite, err)
	}
	return unpacked(folder, w)
}

// FetchSource returns the folder of an unpacked package that is the same for all architectures, such as linux-source-6.12.
func FetchSource(ctx context.Context, suite, name, cache string) (string, error) {
	folder := filepath.Join(cache, suite+"-source")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("fetch source: %w", err)
	}
	unlock, err := Lock(filepath.Join(folder, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	target := filepath.Join(folder, name)
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	if _, err := fetch(ctx, folder, Wanted{Suite: suite, Arch: "amd64", Package: regexp.QuoteMeta(name)}); err != nil {
		return "", fmt.Errorf("fetch %s from %s: %w", name, suite, err)
	}
	return target, nil
}

// fetch downloads a package and unpacks it into a folder of its name, in one step.
func fetch(ctx context.Context, folder string, w Wanted) (string, error) {
	name, err := download(ctx, folder, w)
	if err != nil {
		return "", err
	}
	packages, _ := filepath.Glob(filepath.Join(folder, "*.deb"))
	if len(packages) == 0 {
		return "", errors.New("apt-get downloaded nothing")
	}
	partial := filepath.Join(folder, "partial-"+name)
	for _, file := range packages {
		if err := errors.Join(run(ctx, folder, "dpkg", "-x", file, partial), os.Remove(file)); err != nil {
			return "", err
		}
	}
	return name, os.Rename(partial, filepath.Join(folder, name))
}

// Lock keeps other processes from a folder of the cache meanwhile.
func Lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock kernel cache: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock kernel cache: %w", err)
	}
	return func() { f.Close() }, nil
}

// unpacked finds the newest kernel of the wanted kind in the cache.
func unpacked(folder string, w Wanted) (*Kernel, error) {
	wanted, err := regexp.Compile("^" + w.Package + "$")
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && wanted.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	byVersion(names)
	for i := len(names) - 1; i >= 0; i-- {
		top := filepath.Join(folder, names[i])
		images, _ := filepath.Glob(filepath.Join(top, "boot/vmlinuz-*"))
		if len(images) == 0 {
			images, _ = filepath.Glob(filepath.Join(top, "usr/lib/modules/*/vmlinuz"))
		}
		for _, modules := range []string{"lib/modules/*", "usr/lib/modules/*"} {
			found, _ := filepath.Glob(filepath.Join(top, modules))
			if len(found) > 0 && len(images) > 0 {
				return &Kernel{Version: filepath.Base(found[0]), Image: images[0], Modules: found[0]}, nil
			}
		}
	}
	return nil, fmt.Errorf("no kernel %s in %s", w.Package, folder)
}

var digits = regexp.MustCompile(`[0-9]+`)

// byVersion sorts names with the numbers in them as numbers.
func byVersion(names []string) {
	wide := func(s string) string {
		return digits.ReplaceAllStringFunc(s, func(n string) string { return fmt.Sprintf("%012s", n) })
	}
	sort.Slice(names, func(i, j int) bool { return wide(names[i]) < wide(names[j]) })
}

// mirrors have Debian's releases: the second one those that the first has no more.
var mirrors = [...]string{"http://deb.debian.org/debian", "http://archive.debian.org/debian"}

// download gets the newest package of the wanted kind into folder, and returns its name.
func download(ctx context.Context, folder string, w Wanted) (name string, err error) {
	var failures []error
	for _, mirror := range mirrors {
		if name, err = downloadFrom(ctx, mirror, folder, w); err == nil {
			return name, nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", mirror, err))
	}
	return "", errors.Join(failures...)
}

// downloadFrom does so from one mirror. Newer releases have modules in a package beside it.
func downloadFrom(ctx context.Context, mirror, folder string, w Wanted) (string, error) {
	state := filepath.Join(folder, "apt")
	sources := filepath.Join(state, "sources.list")
	if err := os.MkdirAll(filepath.Join(state, "lists/partial"), 0o755); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(state, "cache/archives/partial"), 0o755); err != nil {
		return "", err
	}
	line := fmt.Sprintf("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n", mirror, w.Suite)
	if err := errors.Join(os.WriteFile(sources, []byte(line), 0o644),
		os.WriteFile(filepath.Join(state, "status"), nil, 0o644)); err != nil {
		return "", err
	}
	options := []string{"-qq",
		"-oDir::State=" + state, "-oDir::State::Lists=" + filepath.Join(state, "lists"), "-oDir::State::status=" + filepath.Join(state, "status"),
		"-oDir::Etc::SourceList=" + sources, "-oDir::Etc::SourceParts=/dev/null", "-oDir::Cache=" + filepath.Join(state, "cache"),
		"-oAPT::Architecture=" + w.Arch, "-oAPT::Architectures=" + w.Arch, "-oAPT::Sandbox::User=root",
		"-oAcquire::Languages=none", "-oAcquire::Check-Valid-Until=false", "-oAPT::Update::Error-Mode=any", "-oAcquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false",
		"-oAcquire::IndexTargets::deb::DEP-11::DefaultEnabled=false", "-oAcquire::Retries=3"}
	if err := run(ctx, folder, "apt-get", append(options, "update")...); err != nil {
		return "", err
	}
	out, err := output(ctx, folder, "apt-cache", append(options, "pkgnames", "linux-")...)
	if err != nil {
		return "", err
	}
	wanted, err := regexp.Compile("^" + w.Package + "$")
	if err != nil {
		return "", err
	}
	all := strings.Fields(out)
	var names []string
	for _, name := range all {
		if wanted.MatchString(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", errors.New("no such package")
	}
	byVersion(names)
	name := names[len(names)-1]
	get := append(options, "download", name)
	if modules := strings.Replace(name, "linux-binary-", "linux-modules-", 1); modules != name && slices.Contains(all, modules) {
		get = append(get, modules)
	}
	return name, run(ctx, folder, "apt-get", get...)
}

func run(ctx context.Context, folder, name string, args ...string) error {
	_, err := output(ctx, folder, name, args...)
	return err
}

// output runs a tool; the error holds what it complained of.
func output(ctx context.Context, folder, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = folder
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("run %s: %w: %s", name, err, strings.TrimSpace(complaint.String()))
	}
	return string(out), nil
}
