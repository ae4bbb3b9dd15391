// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
)

// compiler is a state of the kernel's JIT compiler.
type compiler struct {
	name  string // "jit", "interpreter"
	value string // of the setting; "" where there is none
}

const compilerSetting = "/proc/sys/net/core/bpf_jit_enable"

// compilers lists the states that this kernel has.
func compilers() []compiler {
	if _, err := os.Stat(compilerSetting); err != nil {
		return []compiler{{name: "interpreter"}}
	}
	return []compiler{{"interpreter", "0"}, {"jit", "1"}}
}

func (c compiler) set() error {
	if c.value == "" {
		return nil
	}
	if err := os.WriteFile(compilerSetting, []byte(c.value), 0); err != nil {
		return fmt.Errorf("set JIT: %w", err)
	}
	text, err := os.ReadFile(compilerSetting)
	if err == nil && strings.TrimSpace(string(text)) != c.value {
		err = fmt.Errorf("set JIT: it is %s", text)
	}
	return err
}

// compiled tells how many programs are in the kernel, and how many of them in machine code.
func compiled() (all, native int, err error) {
	for id := ebpf.ProgramID(0); ; {
		id, err = ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return all, native, nil
		}
		if err != nil {
			return 0, 0, fmt.Errorf("list programs: %w", err)
		}
		program, err := ebpf.NewProgramFromID(id)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, 0, fmt.Errorf("list programs: %w", err)
		}
		info, err := program.Info()
		program.Close()
		if err != nil {
			return 0, 0, fmt.Errorf("list programs: %w", err)
		}
		if info.Type != ebpf.SchedCLS {
			continue
		}
		all++
		if size, err := info.JitedSize(); err == nil && size > 0 {
			native++
		}
	}
}
