// SPDX-License-Identifier: GPL-2.0-only

package offload_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/offload"
)

// attr is one netlink attribute, padded.
func attr(kind uint16, value ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func cstr(s string) []byte { return append([]byte(s), 0) }

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

// message is what the kernel sends of one flowtable.
func message(flags uint32, devices ...[]byte) []byte {
	return join([]byte{unix.NFPROTO_INET, 0, 0, 0},
		attr(1, cstr("fw4")...), attr(2, cstr("ft")...), attr(4, be32(1)...),
		attr(5, 0, 0, 0, 0, 0, 0, 0, 9), attr(7, be32(flags)...),
		attr(3|unix.NLA_F_NESTED, join(attr(1, be32(0)...), attr(2, be32(0)...),
			attr(3|unix.NLA_F_NESTED, join(devices...)...))...))
}

func device(name string) []byte { return attr(1, cstr(name)...) }

func TestDecodeFlowtable(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		want offload.Flowtable
		bad  bool
	}{
		{"software, on ports", message(2, device("wan"), device("lan2"), device("lan1"), device("lan1")),
			offload.Flowtable{Table: "fw4", Name: "ft", Counter: true, Devices: []string{"lan1", "lan2", "wan"}}, false},
		{"hardware", message(3, device("eth0")),
			offload.Flowtable{Table: "fw4", Name: "ft", Hardware: true, Counter: true, Devices: []string{"eth0"}}, false},
		{"a prefix of names", message(0, attr(2, []byte("lan")...), device("wan")),
			offload.Flowtable{Table: "fw4", Name: "ft", Devices: []string{"lan*", "wan"}}, false},
		{"no devices", message(0), offload.Flowtable{Table: "fw4", Name: "ft"}, false},
		{"of an older kernel, without flags", join(make([]byte, 4), attr(2, cstr("f")...)), offload.Flowtable{Name: "f"}, false},
		{"short flags", join(make([]byte, 4), attr(2, cstr("f")...), attr(7, 1)), offload.Flowtable{Name: "f"}, false},
		{"nothing", nil, offload.Flowtable{}, true},
		{"cut", message(1, device("eth0"))[:80], offload.Flowtable{}, true},
		{"bad inside", join(make([]byte, 4), attr(3, attr(3, 1, 2, 3, 4)...)), offload.Flowtable{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := offload.DecodeFlowtable(tt.data)
			if (err != nil) != tt.bad {
				t.Fatalf("error %v, want one: %v", err, tt.bad)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func FuzzDecodeFlowtable(f *testing.F) {
	f.Add(message(3, device("eth0"), attr(2, []byte("lan")...)))
	f.Add(message(0))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := offload.DecodeFlowtable(data)
		if err != nil {
			return
		}
		if !slices.IsSorted(table.Devices) || slices.Contains(table.Devices, "") || len(table.Name) > 255 {
			t.Errorf("accepted %+v", table)
		}
	})
}

func TestAbsent(t *testing.T) {
	for err, want := range map[error]bool{
		unix.EPROTONOSUPPORT: true, unix.EINVAL: true, unix.EOPNOTSUPP: true, unix.EPERM: false, unix.ENOBUFS: false,
		&netlink.OpError{Op: "receive", Err: unix.EINVAL}: true, nil: false,
	} {
		if got := offload.Absent(err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}

// On the kernel at hand: a namespace without flowtables has none, one with a flowtable has
// it, if the kernel can make one at all.
func TestFlowtablesLive(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces takes root")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread is thrown away
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("make network namespace: %v", err)
			return
		}
		tables, err := offload.Flowtables()
		if err != nil || len(tables) != 0 {
			t.Errorf("new namespace: %v, error %v, want none", tables, err)
		}
		f, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		if out, err := exec.Command("nft", "add table inet mzlive; add flowtable inet mzlive ft "+
			"{ hook ingress priority 0; devices = { lo }; counter; }").CombinedOutput(); err != nil {
			t.Logf("this kernel makes no flowtables, the vectors must do: %s", out)
			return
		}
		tables, err = offload.FlowtablesIn(int(f.Fd()))
		want := []offload.Flowtable{{Table: "mzlive", Name: "ft", Counter: true, Devices: []string{"lo"}}}
		if err != nil || !reflect.DeepEqual(tables, want) {
			t.Errorf("got %+v, error %v, want %+v", tables, err, want)
		}
	}()
	<-done
}
