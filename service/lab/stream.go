// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Until tells how much to send: a number of bytes or datagrams, or, negative, until the Stop channel closes.
const Until = -1

// Stream is a TCP connection with data both ways at once. Both ends check that all arrived.
type Stream struct {
	Client *Namespace
	From   netip.Addr // the client's address; the zero value leaves it to the kernel
	Server *Namespace
	Listen netip.Addr     // the server's address
	Port   uint16         // the server's; 0 is any
	To     netip.AddrPort // whom the client calls, where that is not the server itself (a NAT in between)

	Upload, Download int64 // bytes; Until is allowed
	Stop             <-chan struct{}
	Pause            time.Duration // between writes of 64 KiB
	Buffer           int           // bytes of socket buffers, bounding what is in flight; 0 leaves it to the kernel
}

// StreamTime bounds a stream that has no Stop: emulated machines are slow.
const StreamTime = 2 * time.Minute

// Run makes the connection and returns how many bytes of payload went up and down.
func (s Stream) Run(ctx context.Context) (up, down int64, err error) {
	if s.Stop == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, StreamTime)
		defer cancel()
	}
	client, server, err := s.connect(ctx)
	if err != nil {
		return 0, 0, err
	}
	// What ends the context ends both ends, and with them every read and write.
	release := context.AfterFunc(ctx, func() { client.Close(); server.Close() })
	defer release()
	defer client.Close()
	defer server.Close()

	results := make(chan error, 2)
	var sentUp, sentDown, gotUp, gotDown int64
	go func() { results <- s.exchange(client, s.Upload, &sentUp, &gotDown) }()
	go func() { results <- s.exchange(server, s.Download, &sentDown, &gotUp) }()
	err = errors.Join(<-results, <-results)
	if err == nil && (sentUp != gotUp || sentDown != gotDown) {
		err = fmt.Errorf("sent %d up and %d down, %d and %d arrived", sentUp, sentDown, gotUp, gotDown)
	}
	if err != nil {
		return gotUp, gotDown, fmt.Errorf("stream %s to %s: %w", client.LocalAddr(), client.RemoteAddr(), err)
	}
	return gotUp, gotDown, nil
}

func (s Stream) connect(ctx context.Context) (client, server *net.TCPConn, err error) {
	network := FamilyOf(s.Listen).transport("tcp")
	listen := net.ListenConfig{Control: s.control}
	listen.SetMultipathTCP(false)
	var listener net.Listener
	if err := s.Server.Do(func() (err error) {
		listener, err = listen.Listen(ctx, network, netip.AddrPortFrom(s.Listen, s.Port).String())
		return err
	}); err != nil {
		return nil, nil, fmt.Errorf("%s: listen: %w", s.Server.Name, err)
	}
	defer listener.Close()
	to := s.To
	if !to.IsValid() {
		to = listener.Addr().(*net.TCPAddr).AddrPort()
	}
	dial := net.Dialer{Control: s.control, Timeout: 30 * time.Second}
	dial.SetMultipathTCP(false)
	if s.From.IsValid() {
		dial.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.From, 0))
	}
	var near net.Conn
	if err := s.Client.Do(func() (err error) {
		near, err = dial.DialContext(ctx, network, to.String())
		return err
	}); err != nil {
		return nil, nil, fmt.Errorf("%s: dial: %w", s.Client.Name, err)
	}
	far, err := listener.Accept() // the connection stands already
	if err != nil {
		near.Close()
		return nil, nil, fmt.Errorf("%s: accept: %w", s.Server.Name, err)
	}
	return near.(*net.TCPConn), far.(*net.TCPConn), nil
}

func (s Stream) control(_, _ string, c syscall.RawConn) error {
	if s.Buffer == 0 {
		return nil
	}
	var err error
	return errors.Join(c.Control(func(fd uintptr) {
		err = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, s.Buffer),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, s.Buffer))
	}), err)
}

// exchange sends and receives on one end; both to the end of their stream.
func (s Stream) exchange(c *net.TCPConn, amount int64, sent, received *int64) error {
	sending := make(chan error, 1)
	go func() {
		n, err := s.send(c, amount)
		*sent = n
		sending <- errors.Join(err, c.CloseWrite())
	}()
	n, err := io.Copy(io.Discard, onlyReader{c})
	*received = n
	return errors.Join(err, <-sending)
}

// onlyReader hides what would let io.Copy splice.
type onlyReader struct{ io.Reader }

func (s Stream) send(w io.Writer, amount int64) (sent int64, err error) {
	block := make([]byte, 64<<10)
	for amount < 0 || sent < amount {
		select {
		case <-s.Stop:
			return sent, nil
		default:
		}
		n := int64(len(block))
		if amount >= 0 {
			n = min(n, amount-sent)
		}
		wrote, err := w.Write(block[:n])
		sent += int64(wrote)
		if err != nil {
			return sent, err
		}
		if s.Pause > 0 {
			time.Sleep(s.Pause)
		}
	}
	return sent, nil
}

// Background runs traffic until Stop is called, and then tells whether it went well.
type Background struct {
	stop chan struct{}
	done chan error
}

// InBackground runs f until Stop; f has to return soon after its channel closes.
func InBackground(f func(stop <-chan struct{}) error) *Background {
	b := &Background{stop: make(chan struct{}), done: make(chan error, 1)}
	go func() { b.done <- f(b.stop) }()
	return b
}

// Stop ends the traffic and returns its error. It is to be called once.
func (b *Background) Stop() error {
	close(b.stop)
	return <-b.done
}
