// SPDX-License-Identifier: GPL-2.0-only

package iproute

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Run does what a tool is asked by its command line: one command, or with "-batch -" one for each line of in.
func Run(tool string, args []string, in io.Reader, out io.Writer) error {
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return fmt.Errorf("open rtnetlink: %w", err)
	}
	defer c.Close()
	s := &session{conn: c, out: out}
	if len(args) < 2 || args[0] != "-batch" || args[1] != "-" {
		return s.do(tool, args)
	}
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		if err := s.do(tool, words); err != nil {
			return fmt.Errorf("%w\nCommand failed -:%d", err, n)
		}
	}
	return lines.Err()
}

type session struct {
	conn *netlink.Conn
	out  io.Writer
}

func (s *session) do(tool string, args []string) error {
	for len(args) > 0 && (args[0] == "-4" || args[0] == "-6") { // addresses tell their family
		args = args[1:]
	}
	if len(args) < 2 {
		return errors.New("incomplete command")
	}
	w := &words{rest: args[2:]}
	command := tool + " " + args[0] + " " + args[1]
	run := map[string]func(*words) error{
		"ip link add":  s.linkAdd,
		"ip link set":  s.linkSet,
		"ip link del":  s.linkDelete,
		"ip addr add":  s.addressAdd,
		"ip route add": func(w *words) error { return s.routeAdd(w, netlink.Excl) },
		// Append stands for: beside what is there.
		"ip route append": func(w *words) error { return s.routeAdd(w, netlink.Append) },
		"ip rule add":     s.ruleAdd,
		"ip neigh add":    s.neighbourAdd,
		"tc qdisc show":   s.qdiscShow,
	}[command]
	if run == nil {
		return fmt.Errorf("%s: this tool does not know that", command)
	}
	if err := run(w); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(append([]string{tool}, args...), " "), err)
	}
	return nil
}

// request sends one message, the fixed part and attributes, and waits for the answer.
func (s *session) request(kind netlink.HeaderType, flags netlink.HeaderFlags, fixed []byte, attributes func(*netlink.AttributeEncoder)) error {
	data := fixed
	if attributes != nil {
		encoder := netlink.NewAttributeEncoder()
		attributes(encoder)
		more, err := encoder.Encode()
		if err != nil {
			return err
		}
		data = append(data, more...)
	}
	_, err := s.conn.Execute(netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Acknowledge | flags}, Data: data})
	return err
}

// words are what is left of a command.
type words struct {
	rest []string
	err  error // of the first word missing
}

// next takes a word; ok is false at the end.
func (w *words) next() (word string, ok bool) {
	if len(w.rest) == 0 {
		return "", false
	}
	word, w.rest = w.rest[0], w.rest[1:]
	return word, true
}

// value takes the word that another calls for.
func (w *words) value(of string) string {
	word, ok := w.next()
	if !ok && w.err == nil {
		w.err = fmt.Errorf("nothing after %q", of)
	}
	return word
}
