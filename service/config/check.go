// SPDX-License-Identifier: GPL-2.0-only

package config

import "strconv"

// check looks at what no single option can see.
func (c *Config) check() Errors {
	var problems Errors
	add := func(option, want string) { problems = append(problems, Problem{Option: option, Want: want}) }
	watched := "network"
	if len(c.Networks) < len(c.Subnets) {
		watched = "subnet"
	}
	if len(c.Networks)+len(c.Subnets) > maxNetworks {
		add(watched, "more than "+strconv.Itoa(maxNetworks)+" networks and subnets")
	}
	if len(c.Networks)+len(c.Subnets)+len(c.Prefixes6) == 0 {
		add(watched, "no network at all; want the name of at least one")
	}
	count := map[bool]int{}
	for _, p := range c.Internal {
		count[p.Addr().Is4()]++
	}
	if count[true] > maxPrefixes || count[false] > maxPrefixes {
		add("internal", "more than "+strconv.Itoa(maxPrefixes)+" prefixes of one family")
	}
	if len(c.Prefixes6) > maxPrefixes {
		add("prefix6", "more than "+strconv.Itoa(maxPrefixes)+" prefixes")
	}
	if c.MaxHostAddresses > c.MaxAddresses {
		add("max_host_addresses", "more than max_addresses")
	}
	return problems
}
