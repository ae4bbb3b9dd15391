// SPDX-License-Identifier: GPL-2.0-only

package hosts

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/mezoura/mezoura/service/config"
	"github.com/mezoura/mezoura/service/uci"
)

// sources is what every file said when it was last read. A file that cannot be
// read keeps what it said before; one that is gone says nothing.
type sources struct {
	openTree func(dir string) Tree
	config   config.Config
	dhcp     dhcpConfig
	files    map[string]*file
	asked    []record // odhcpd's, over ubus
	problems map[string]string
}

type file struct {
	source  string
	parse   func(io.Reader) ([]record, error)
	records []record
}

func newSources(openTree func(dir string) Tree) *sources {
	if openTree == nil {
		openTree = func(dir string) Tree { return uci.NewTree(dir) }
	}
	return &sources{openTree: openTree, files: make(map[string]*file), problems: make(map[string]string)}
}

// dhcpPath is the file that says where the others are.
func (s *sources) dhcpPath() string { return filepath.Join(s.config.Paths.EtcConfig, "dhcp") }

// paths is every file to be watched.
func (s *sources) paths() []string {
	list := []string{s.dhcpPath()}
	for path := range s.files {
		list = append(list, path)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// configure takes over which sources there are.
func (s *sources) configure(c config.Config) {
	s.config = c
	s.arrange()
}

// arrange keeps the files that are to be read now and forgets the others.
func (s *sources) arrange() {
	before := s.files
	s.files = make(map[string]*file)
	add := func(source, path string, parse func(io.Reader) ([]record, error)) {
		if path = filepath.Clean(path); path == "." || !slices.Contains(s.config.Names, source) || s.files[path] != nil {
			return
		}
		if old := before[path]; old != nil && old.source == source {
			s.files[path] = old
		} else {
			s.files[path] = &file{source: source, parse: parse}
		}
	}
	leases := s.dhcp.leases
	if s.config.Paths.Leases != "" {
		leases = []string{s.config.Paths.Leases}
	} else if len(leases) == 0 {
		leases = []string{defaultLeases}
	}
	for _, path := range leases {
		add(config.NamesDnsmasq, path, parseDnsmasq)
	}
	for _, path := range s.dhcp.states {
		add(config.NamesOdhcpd, path, parseOdhcpd)
	}
	add(config.NamesEthers, s.config.Paths.Ethers, parseEthers)
	add(config.NamesHosts, s.config.Paths.Hosts, parseHosts)
	for path := range before {
		if s.files[path] == nil {
			delete(s.problems, path)
		}
	}
}

// readDHCP reads /etc/config/dhcp, after which there may be other files.
func (s *sources) readDHCP() {
	path := s.dhcpPath()
	c, err := readDHCP(s.openTree(s.config.Paths.EtcConfig))
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
		delete(s.problems, path)
		s.dhcp = c
		s.arrange()
	default:
		s.problems[path] = err.Error()
	}
}

// read reads one of the other files.
func (s *sources) read(path string) {
	f := s.files[path]
	if f == nil {
		return
	}
	records, err := readRecords(path, f.parse)
	if err != nil {
		s.problems[path] = err.Error()
		return
	}
	delete(s.problems, path)
	f.records = records
}

// records is what all sources say.
func (s *sources) records() map[string][]record {
	all := map[string][]record{config.NamesUCI: s.dhcp.hosts}
	if slices.Contains(s.config.Names, config.NamesOdhcpd) {
		all[config.NamesOdhcpd] = slices.Clone(s.asked)
	}
	for _, path := range s.paths() {
		if f := s.files[path]; f != nil {
			all[f.source] = append(all[f.source], f.records...)
		}
	}
	return all
}

// sentences is the problems, in order.
func (s *sources) sentences() []string {
	var list []string
	for _, p := range s.problems {
		list = append(list, p)
	}
	slices.Sort(list)
	return list
}
