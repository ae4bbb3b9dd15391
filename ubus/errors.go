// SPDX-License-Identifier: GPL-2.0-only

package ubus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// Status is an answer of ubus other than success. It is an error, so that
// errors.Is(err, ubus.ErrNotFound) asks for one, and a method's handler
// returns one to answer with it.
type Status int

// The status codes of libubus.
const (
	ErrInvalidCommand   Status = 1
	ErrInvalidArgument  Status = 2
	ErrMethodNotFound   Status = 3
	ErrNotFound         Status = 4
	ErrNoData           Status = 5
	ErrPermissionDenied Status = 6
	ErrTimeout          Status = 7
	ErrNotSupported     Status = 8
	ErrUnknown          Status = 9
	ErrConnectionFailed Status = 10
	ErrNoMemory         Status = 11
	ErrParse            Status = 12
	ErrSystem           Status = 13
)

var statusTexts = [...]string{"success", "invalid command", "invalid argument", "method not found", "not found", "no response",
	"permission denied", "request timed out", "operation not supported", "unknown error", "connection failed", "out of memory",
	"parsing message data failed", "system error"}

func (s Status) Error() string {
	if s >= 0 && int(s) < len(statusTexts) {
		return statusTexts[s]
	}
	return "unknown error: " + strconv.Itoa(int(s))
}

// Timeout makes a Status a net.Error of sorts.
func (s Status) Timeout() bool { return s == ErrTimeout }

var (
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("ubus connection closed")
	// ErrDisconnected is returned by what needs the broker while there is none,
	// and by calls that were under way when the link dropped. The Conn goes on
	// trying to connect.
	ErrDisconnected = fmt.Errorf("no ubus broker: %w", ErrConnectionFailed)
	// ErrTooLarge is returned for a message beyond the 1 MiB that ubus carries.
	ErrTooLarge = errors.New("ubus message too large")
)

// Error says which operation failed, on what.
type Error struct {
	Op   string // "call", "publish", ...
	What string // object, object and method, pattern
	Err  error
}

func (e *Error) Error() string { return e.Op + " " + e.What + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func wrap(op, what string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, What: what, Err: err}
}

// statusOf is what a handler's error is answered with.
func statusOf(err error) Status {
	var s Status
	switch {
	case err == nil:
		return 0
	case errors.As(err, &s) && s != 0:
		return s
	case errors.Is(err, ErrTooLarge):
		return ErrNoMemory
	case errors.Is(err, context.DeadlineExceeded):
		return ErrTimeout
	}
	return ErrUnknown
}

// toError makes an error of a status as it came.
func toError(code int) error {
	if code == 0 {
		return nil
	}
	return Status(code)
}

// contextError makes a deadline that passed a Status too.
func contextError(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrTimeout, context.DeadlineExceeded)
}
