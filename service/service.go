// SPDX-License-Identifier: GPL-2.0-only

package service

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/config"
	"github.com/mezoura/mezoura/service/export"
	"github.com/mezoura/mezoura/service/hosts"
	"github.com/mezoura/mezoura/service/links"
	"github.com/mezoura/mezoura/service/networks"
	"github.com/mezoura/mezoura/service/offload"
	"github.com/mezoura/mezoura/service/uci"
)

const (
	// A reader that asks is shown numbers no older than this.
	freshness = time.Second
	// Offloading changes when the firewall is reloaded, which nothing tells.
	offloadEvery = 30 * time.Second
	// After this long without netifd, there is none.
	patience = time.Minute
)

// service is the daemon while it runs.
type service struct {
	command config.Command
	config  config.Config
	log     *slog.Logger
	version string
	kernel  string

	counter  *counter
	links    *links.Watcher
	hosts    *hosts.Resolver
	offload  *offload.Detector
	bus      *bus
	files    *export.Metrics // what the loop itself writes
	scrapes  *export.Metrics // asks the loop for fresh numbers
	exporter *exporter
	current  atomic.Pointer[account.Snapshot]
	tasks    chan func() // for the loop
	ctx      context.Context

	offloaded   offload.State
	offloadAt   time.Time
	readAt      time.Time
	listed      int
	started     time.Time
	adopted     bool // earlier daemons' tables are in the book; before that there is nothing to show
	configError string
	complaints  map[string]string // by what; said once each
	running     sync.WaitGroup
}

// Run counts until ctx ends or a SIGTERM comes; a SIGHUP reads the configuration anew. Its error is one line for people.
func Run(ctx context.Context, command config.Command, version string, log *slog.Logger) error {
	c, err := command.Load(uci.NewTree(command.Config.Paths.EtcConfig))
	if err != nil {
		return err
	}
	held, err := lock(c.StateDir)
	if err != nil {
		return err
	}
	defer held.Close()

	s := &service{
		command: command, config: c, log: log, version: version, kernel: kernelRelease(),
		tasks: make(chan func(), 16), complaints: map[string]string{}, started: time.Now(),
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(ctx)
	defer s.running.Wait()
	defer cancel()
	s.ctx = ctx
	if err := s.open(ctx); err != nil {
		return err
	}
	defer s.close()
	return s.loop(ctx, signals)
}

// open acquires everything, attaches first of all, and publishes a first snapshot.
func (s *service) open(ctx context.Context) (err error) {
	c := s.config
	if s.counter, err = newCounter(c, s.log); err != nil {
		return err
	}
	if s.links, err = links.Open(); err != nil {
		return err
	}
	if s.bus, err = openBus(ctx, s); err != nil {
		return err
	}
	s.bus.ask(ctx, c)
	if err := s.follow(); err != nil {
		return err
	}
	if failures, all := s.counter.failed(); all {
		return failures[0]
	} else {
		s.tell(failures)
	}
	if err := s.adopt(); err != nil {
		return err
	}
	s.hosts = hosts.Open(c, hosts.WithLeases(s.bus.leases))
	s.offload = offload.New(uci.NewTree(c.Paths.EtcConfig), offload.Flowtables)
	s.files, s.scrapes = export.New(s.current.Load, c.Compat), export.New(s.fresh, c.Compat)
	if err := s.listen(); err != nil {
		return err
	}
	s.goRun(ctx, "devices", s.links.Run)
	s.goRun(ctx, "names", s.hosts.Run)
	s.bus.open(ctx, s)
	s.look()
	s.writeFiles()
	debug.FreeOSMemory() // what loading took is not needed again
	s.log.Info("counting", "version", s.version, "networks", len(s.counter.plan.Networks), "devices", len(s.counter.modes))
	return nil
}

// adopt takes over from earlier daemons, once it is known which devices are still wanted: a start that is quicker
// than netifd must not end the counting that goes on.
func (s *service) adopt() error {
	if s.adopted || !s.bus.known(s.config) && time.Since(s.started) < patience {
		return nil
	}
	if err := s.counter.takeOver(); err != nil {
		return err
	}
	s.adopted = true
	s.complain("book", s.counter.save()) // with the disk full, it is tried again
	return nil
}

func (s *service) goRun(ctx context.Context, what string, run func(context.Context) error) {
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		if err := run(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("follow "+what, "error", err)
		}
	}()
}

func (s *service) close() {
	if err := s.counter.state.write(s.counter.book); err != nil {
		s.log.Warn("book is not saved; totals are safe in the kernel", "error", err)
	}
	s.exporter.close()
	s.bus.close()
	s.links.Close()
	s.hosts.Close()
	s.counter.close()
}

// loop is the one goroutine that owns tables, attachments and book.
func (s *service) loop(ctx context.Context, signals <-chan os.Signal) error {
	tick := time.NewTicker(s.config.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case sig := <-signals:
			if sig != syscall.SIGHUP {
				s.log.Info("ending; counting goes on in the kernel", "signal", sig.String())
				s.look()
				s.writeFiles()
				return nil
			}
			if s.reload() {
				tick.Reset(s.config.Interval)
			}
		case <-s.links.Changed():
			s.replan()
		case <-s.bus.networksChanged():
			s.replan()
		case <-s.hosts.Changed():
			s.publish()
		case task := <-s.tasks:
			task()
		case <-tick.C:
			s.look()
			s.writeFiles()
			s.complain("book", s.counter.turn(s.config.Idle))
		}
	}
}

// follow resolves what is to be counted, with the devices there are now.
func (s *service) follow() error {
	source := s.source()
	return s.counter.apply(networks.Resolve(source, s.links.Table()), s.config.Internal)
}

func (s *service) source() networks.Source {
	var subnets []networks.Subnet
	for _, n := range s.config.Subnets {
		subnets = append(subnets, networks.Subnet{Prefix: n.Prefix, Device: n.Device})
	}
	static := networks.Static(subnets, s.config.Prefixes6)
	if len(s.config.Networks) == 0 {
		return static
	}
	return networks.Combine(s.bus.source(), static)
}

// tell logs what could not be attached.
func (s *service) tell(failures []error) {
	for _, err := range failures {
		s.log.Error("not counted", "error", err)
	}
}

func (s *service) replan() {
	plan := networks.Resolve(s.source(), s.links.Table())
	if plan.Equal(s.counter.plan) && s.counter.settled() {
		return
	}
	s.complain("networks", s.counter.apply(plan, s.config.Internal))
	failures, _ := s.counter.failed()
	s.tell(failures)
	s.look()
}

// look reads the counters and publishes them.
func (s *service) look() {
	if err := s.adopt(); err != nil {
		s.complain("take over", err)
		return
	}
	if !s.adopted {
		return
	}
	now := time.Now()
	if err := s.counter.read(now); err != nil {
		s.complain("read counters", err)
		return
	}
	s.readAt = now
	if now.Sub(s.offloadAt) >= offloadEvery {
		s.offloadAt = now
		s.lookForOffload()
	}
	s.publish()
}

func (s *service) publish() {
	if !s.adopted {
		return
	}
	snapshot := s.counter.book.Snapshot(time.Now(), s.hosts, s.status())
	before := s.current.Swap(snapshot)
	s.bus.notify(s.ctx, before, snapshot)
	if n := len(snapshot.Hosts); n != s.listed { // a new host's first sight is in the book alone
		s.listed = n
		if err := s.counter.state.write(s.counter.book); err != nil {
			s.complain("book", err)
		}
	}
}

func (s *service) lookForOffload() {
	state := s.offload.Detect()
	if !state.Equal(s.offloaded) {
		for _, w := range state.Warnings() {
			s.log.Warn(w)
		}
	}
	s.offloaded = state
}

func (s *service) writeFiles() {
	if s.current.Load() == nil {
		return
	}
	var files []export.Textfile
	for _, path := range s.config.Textfiles {
		files = append(files, export.Textfile{Path: path})
	}
	for _, f := range export.DefaultTextfiles() {
		if f.Optional {
			files = append(files, f)
		}
	}
	s.complain("textfile", s.files.WriteFiles(files))
}

// complain logs an error when it begins and when it is over, not every time.
func (s *service) complain(what string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if s.complaints[what] == text {
		return
	}
	s.complaints[what] = text
	if err != nil {
		s.log.Error(what, "error", err)
	} else {
		s.log.Info(what + " works again")
	}
}

// exporter is the HTTP server while it is switched on.
type exporter struct {
	server  *export.Server
	address string
}

func (e *exporter) close() {
	if e != nil {
		e.server.Close()
	}
}

// listen starts, moves or ends the exporter as the configuration says.
func (s *service) listen() error {
	address := ""
	if s.config.Exporter {
		host := ""
		if s.config.Listen.IsValid() {
			host = s.config.Listen.String()
		}
		address = net.JoinHostPort(host, strconv.Itoa(int(s.config.Port)))
	}
	if s.exporter != nil && s.exporter.address == address {
		return nil
	}
	s.exporter.close()
	s.exporter = nil
	if address == "" {
		return nil
	}
	server, err := export.Listen(address, s.scrapes, export.Timeouts{})
	if err != nil {
		return err
	}
	s.exporter = &exporter{server, address}
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		if err := server.Serve(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.Error("exporter", "error", err)
		}
	}()
	return nil
}
