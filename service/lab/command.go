// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// commandTime bounds every tool the lab runs; emulated machines are slow, none of the tools should be.
const commandTime = 60 * time.Second

// Run runs a tool inside the namespace and returns what it printed. The error names the command and what it complained of.
func (n *Namespace) Run(name string, args ...string) (string, error) {
	return n.run("", name, args...)
}

func (n *Namespace) run(input, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	if input != "" {
		cmd.Stdin = strings.NewReader(input)
	}
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := n.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return out.String(), &CommandError{Namespace: n.Name, Command: strings.Join(append([]string{name}, args...), " "),
			Stderr: strings.TrimSpace(complaint.String()), Err: err}
	}
	return out.String(), nil
}

// CommandError is a tool that failed: which, where, and what it complained of.
type CommandError struct {
	Namespace, Command, Stderr string
	Err                        error
}

func (e *CommandError) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("%s: run %q: %v", e.Namespace, e.Command, e.Err)
	}
	return fmt.Sprintf("%s: run %q: %v: %s", e.Namespace, e.Command, e.Err, e.Stderr)
}

func (e *CommandError) Unwrap() error { return e.Err }

// Start starts a process inside the namespace. The kernel kills it when this process dies or the lab closes.
func (n *Namespace) Start(cmd *exec.Cmd) (err error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	done := make(chan error, 1)
	defer func() {
		if recover() != nil { // send on the closed channel of a closed lab
			err = fmt.Errorf("%s: start %s: %w", n.Name, cmd.Path, errClosed)
		}
	}()
	n.jobs <- func() { done <- cmd.Start() }
	return <-done
}

var errClosed = errors.New("lab is closed")

// IP runs ip(8) commands in one batch; each argument is a command line without the leading "ip".
func (n *Namespace) IP(lines ...string) error {
	return n.batch("ip", lines)
}

// TC runs tc(8) commands in one batch.
func (n *Namespace) TC(lines ...string) error {
	return n.batch("tc", lines)
}

// Bridge runs bridge(8) commands in one batch.
func (n *Namespace) Bridge(lines ...string) error {
	return n.batch("bridge", lines)
}

var failedLine = regexp.MustCompile(`Command failed -:(\d+)`)

// batch feeds iproute2's batch mode, and names the line that failed rather than the batch.
func (n *Namespace) batch(tool string, lines []string) error {
	_, err := n.run(strings.Join(lines, "\n")+"\n", tool, "-batch", "-")
	var failed *CommandError
	if errors.As(err, &failed) {
		if m := failedLine.FindStringSubmatch(failed.Stderr); m != nil {
			if i, _ := strconv.Atoi(m[1]); i >= 1 && i <= len(lines) {
				failed.Command = tool + " " + lines[i-1]
			}
		}
	}
	return err
}

// NFT loads an nftables script.
func (n *Namespace) NFT(script string) error {
	_, err := n.run(script, "nft", "-f", "-")
	return err
}
