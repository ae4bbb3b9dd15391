// SPDX-License-Identifier: GPL-2.0-only

// Command packages makes Mezoura's OpenWrt packages without OpenWrt's SDK:
//
//	go run ./openwrt-package/packages [flags] ipk|apk
//
// It leaves OUT/ipk/ARCH, each a feed for opkg, and OUT/apk/ARCH, each a
// repository for apk. The time of everything is SOURCE_DATE_EPOCH, else that of the last commit.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mezoura/mezoura/openwrt-package/pack"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(2)
		}
		fmt.Fprintln(os.Stderr, "packages:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("packages", flag.ContinueOnError)
	arch := flags.String("arch", "", "only this `architecture` of OpenWrt's")
	out := flags.String("out", "dist", "the `folder` for the packages")
	command := flags.String("main", "./service/mezoura", "the `package` of the daemon")
	luci := flags.Bool("luci", true, "make the packages for LuCI too")
	apkTool := flags.String("apk", "apk", "the `command` that makes .apk packages")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	epoch, err := sourceDate()
	if err != nil {
		return err
	}
	release, err := pack.ReadRelease(filepath.Join(root, "openwrt-package/mezoura/Makefile"), epoch)
	if err != nil {
		return err
	}
	archs := pack.Archs()
	if *arch != "" {
		a, err := pack.ArchByName(*arch)
		if err != nil {
			return err
		}
		archs = []pack.Arch{a}
	}
	if *out, err = filepath.Abs(*out); err != nil {
		return err
	}
	work := filepath.Join(*out, "work")
	b := build{tree: pack.Tree{Root: root, Main: *command}, release: release, archs: archs, work: work, luci: *luci}
	switch format := flags.Arg(0); format {
	case "ipk":
		nfpm := pack.NFPM{Command: []string{"go", "tool", "-modfile=tools/go.mod", "nfpm"}, Dir: root}
		err = b.each(filepath.Join(*out, "ipk"), pack.Index, func(p *pack.Package, folder string) (string, error) {
			return p.IPK(nfpm, release, work, folder)
		})
	case "apk":
		tool, lookErr := exec.LookPath(*apkTool)
		if lookErr != nil {
			return fmt.Errorf("no %s here, and nothing else makes packages of apk 3: install apk-tools 3 or use OpenWrt's SDK", *apkTool)
		}
		command := []string{tool}
		if os.Getuid() != 0 {
			fakeroot, lookErr := exec.LookPath("fakeroot")
			if lookErr != nil {
				return errors.New("no fakeroot here, and the files of a package belong to root: install fakeroot")
			}
			command = []string{fakeroot, tool}
		}
		index := func(folder string) error { return pack.IndexAPK(command, release, folder) }
		err = b.each(filepath.Join(*out, "apk"), index, func(p *pack.Package, folder string) (string, error) {
			return p.APK(command, release, work, folder)
		})
	default:
		return fmt.Errorf("format %q: want ipk or apk", format)
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(work)
}

type build struct {
	tree    pack.Tree
	release pack.Release
	archs   []pack.Arch
	work    string
	luci    bool
}

// each makes every package of every architecture; the ones for all of them are
// made once and are in every folder.
func (b build) each(out string, index func(string) error, make func(*pack.Package, string) (string, error)) error {
	var common []string
	if b.luci {
		list, err := b.tree.LuCI()
		if err != nil {
			return err
		}
		for _, p := range list {
			name, err := make(p, filepath.Join(b.work, "all"))
			if err != nil {
				return err
			}
			common = append(common, filepath.Join(b.work, "all", name))
		}
	}
	for _, a := range b.archs {
		folder := filepath.Join(out, a.Name)
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		binary := filepath.Join(b.work, "bin", a.Name, "mezoura")
		if err := b.tree.Build(a, b.release, binary); err != nil {
			return err
		}
		name, err := make(b.tree.Daemon(a, binary), folder)
		if err != nil {
			return err
		}
		for _, file := range common {
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(folder, filepath.Base(file)), data, 0o644); err != nil {
				return err
			}
		}
		if err := index(folder); err != nil {
			return err
		}
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		fmt.Printf("%8d  %s\n", info.Size(), filepath.Join(folder, name))
	}
	return nil
}

// sourceDate is the time every file in a package has.
func sourceDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		out, err := exec.Command("git", "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, errors.New("no SOURCE_DATE_EPOCH, and no git to ask for the last commit")
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q: want seconds", text)
	}
	return time.Unix(seconds, 0), nil
}
