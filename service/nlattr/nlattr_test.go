// SPDX-License-Identifier: GPL-2.0-only

package nlattr_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/mdlayher/netlink"

	"github.com/mezoura/mezoura/service/nlattr"
)

func header(length, kind uint16) []byte {
	return binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(nil, length), kind)
}

func TestEachRefuses(t *testing.T) {
	for name, data := range map[string][]byte{
		"half a header":   {1, 2, 3},
		"shorter than it": header(3, 1),
		"longer than all": header(9, 1),
		"rubbish behind":  append(header(4, 1), 0xff),
	} {
		if err := nlattr.Each(data, func(uint16, []byte) error { return nil }); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	stop := errors.New("stop")
	if err := nlattr.Each(append(header(4, 1), 0xff), func(uint16, []byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error of the function is lost: %v", err)
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{"": "", "eth0\x00": "eth0", "eth0": "eth0", "a\x00b": "a", "long-name": "long"} {
		limit := 15
		if in == "long-name" {
			limit = 4
		}
		if got := nlattr.Text([]byte(in), limit); got != want {
			t.Errorf("%q is %q, not %q", in, got, want)
		}
	}
}

// FuzzEach compares with the library's decoder: what both accept they read alike.
func FuzzEach(f *testing.F) {
	two, _ := netlink.MarshalAttributes([]netlink.Attribute{{Type: 3, Data: []byte("lan1\x00")}, {Type: 7 | netlink.Nested, Data: header(4, 1)}})
	f.Add(two)
	f.Add(header(4, 1))
	f.Add(header(0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		type attribute struct {
			kind  uint16
			value string
		}
		var got, want []attribute
		err := nlattr.Each(data, func(kind uint16, value []byte) error {
			got = append(got, attribute{kind, string(value)})
			return nil
		})
		if err != nil {
			return
		}
		d, err := netlink.NewAttributeDecoder(data)
		if err != nil {
			t.Fatalf("the library refuses %x: %v", data, err)
		}
		for d.Next() {
			want = append(want, attribute{d.Type(), string(d.Bytes())})
		}
		if d.Err() != nil || len(got) != len(want) {
			t.Fatalf("%x: %v, the library has %v: %v", data, got, want, d.Err())
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%x: attribute %d is %v, the library has %v", data, i, got[i], want[i])
			}
		}
	})
}
