// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"fmt"
	"strings"
)

// WireGuardHome is an ordinary home with two road warriors on wg0. They come in from the internet, over links of their
// own to it.
func (l *Lab) WireGuardHome() (*Home, error) {
	h, err := l.Home(1)
	if err != nil {
		return nil, err
	}
	const port = 51820
	key, public, err := wireGuardKeys(h.Router.Namespace)
	if err != nil {
		return nil, err
	}
	if err := h.Router.IP("link add wg0 type wireguard"); err != nil {
		return nil, err
	}
	if _, err := h.Router.run(key, "wg", "set", "wg0", "listen-port", fmt.Sprint(port), "private-key", "/dev/stdin"); err != nil {
		return nil, err
	}
	w, err := h.Router.Network("wg0", 7)
	if err != nil {
		return nil, err
	}
	for i, name := range []string{"anna", "bert"} {
		n, err := l.Namespace(name)
		if err != nil {
			return nil, err
		}
		link := fmt.Sprintf("road%d", i)
		if err := h.Internet.IP(
			fmt.Sprintf("link add %s type veth peer name eth0 netns %s", link, n.Path()),
			fmt.Sprintf("link set %s up", link),
			fmt.Sprintf("addr add 203.0.113.%d/30 dev %s", 129+4*i, link)); err != nil {
			return nil, err
		}
		if err := n.IP("link set eth0 up",
			fmt.Sprintf("addr add 203.0.113.%d/30 dev eth0", 130+4*i),
			fmt.Sprintf("route add %s/32 via 203.0.113.%d", h.Router.WAN4, 129+4*i),
			"link add wg0 type wireguard"); err != nil {
			return nil, err
		}
		own, ownPublic, err := wireGuardKeys(n)
		if err != nil {
			return nil, err
		}
		if _, err := n.run(own, "wg", "set", "wg0", "listen-port", fmt.Sprint(port), "private-key", "/dev/stdin", "peer", public,
			"endpoint", fmt.Sprintf("%s:%d", h.Router.WAN4, port), "allowed-ips", "0.0.0.0/0,::/0"); err != nil {
			return nil, err
		}
		host, err := w.Host(&Wire{Namespace: n, Device: "wg0", Port: "wg0"})
		if err != nil {
			return nil, err
		}
		if _, err := h.Router.Run("wg", "set", "wg0", "peer", ownPublic,
			"endpoint", fmt.Sprintf("203.0.113.%d:%d", 130+4*i, port), "allowed-ips", fmt.Sprintf("%s/32,%s/128", host.IPv4, host.IPv6)); err != nil {
			return nil, err
		}
		h.Hosts = append(h.Hosts, host)
	}
	h.Attached = append(h.Attached, "wg0")
	return h, nil
}

// wireGuardKeys makes a key pair.
func wireGuardKeys(n *Namespace) (key, public string, err error) {
	if key, err = n.Run("wg", "genkey"); err != nil {
		return "", "", err
	}
	public, err = n.run(key, "wg", "pubkey")
	return key, strings.TrimSpace(public), err
}
