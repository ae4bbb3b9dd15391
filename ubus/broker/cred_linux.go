// SPDX-License-Identifier: GPL-2.0-only

package broker

import (
	"net"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"
)

// credentials asks the kernel who connected.
func credentials(sock *net.UnixConn) (Cred, error) {
	raw, err := sock.SyscallConn()
	if err != nil {
		return Cred{}, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return Cred{}, err
	}
	if credErr != nil {
		return Cred{}, credErr
	}
	return Cred{PID: cred.Pid, UID: cred.Uid, GID: cred.Gid}, nil
}

// systemNames looks up the names of a user and a group; numbers where there
// are none, where ubusd would turn the client away.
func systemNames(who Cred) (userName, group string) {
	userName, group = strconv.FormatUint(uint64(who.UID), 10), strconv.FormatUint(uint64(who.GID), 10)
	if u, err := user.LookupId(userName); err == nil {
		userName = u.Username
	}
	if g, err := user.LookupGroupId(group); err == nil {
		group = g.Name
	}
	return userName, group
}
