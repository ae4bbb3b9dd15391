// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// check is one check that has been run.
type check struct {
	name  string
	start time.Time
	err   error
}

var verdict = regexp.MustCompile(`(?m)^--- (PASS|FAIL|SKIP): (\w+) \((\d+\.\d+)s\)`)

// classifier runs tests of package bpf, all in one process. Each of them has to run and to pass.
func classifier(tests []string) []check {
	// The tests read the objects, which lie beside them.
	cmd := exec.Command("/bpf/bpf.test", "-test.v", "-test.short", "-test.timeout=10m", "-test.run=^("+strings.Join(tests, "|")+")$")
	cmd.Dir = "/bpf"
	cmd.Env = append(os.Environ(), "MEZOURA_REQUIRE_ROOT=1")
	start := time.Now()
	text, err := follow(cmd)
	found := map[string][]string{}
	for _, m := range verdict.FindAllStringSubmatch(text, -1) {
		found[m[2]] = m[1:]
	}
	var checks []check
	for _, name := range tests {
		c := check{name: name, start: start}
		switch m := found[name]; {
		case m == nil:
			c.err = errors.New("it did not end")
		default:
			took, _ := time.ParseDuration(m[2] + "s")
			c.start = time.Now().Add(-took)
			if m[0] != "PASS" {
				c.err = errors.New(m[0])
			}
		}
		checks = append(checks, c)
	}
	if err != nil {
		checks = append(checks, check{name: "bpf.test", start: start, err: err})
	}
	for _, c := range checks {
		if c.err != nil {
			fmt.Printf("%s\n", text)
			break
		}
	}
	return checks
}

// follow runs a test binary and returns what it printed. The results of whole tests are shown as they come: who waits for
// the guest sees that it lives.
func follow(cmd *exec.Cmd) (string, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer read.Close()
	cmd.Stdout, cmd.Stderr = write, write
	err = cmd.Start()
	write.Close()
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for lines := bufio.NewScanner(read); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "--- ") {
			fmt.Println(lines.Text())
		}
	}
	return text.String(), cmd.Wait()
}
