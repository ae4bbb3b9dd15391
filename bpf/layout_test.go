// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// twins are the structs of mezoura.bpf.h by name, and what stands for them in Go. Fields correspond in order; where C has
// words and Go has what they are made of, the Go fields lie within the C one.
func twins() map[string]any {
	return map[string]any{
		"key": key{}, "traffic": Traffic{}, "account": account{}, "row": row{}, "overflow_key": overflowKey{},
		"check4": check4{}, "check6": check6{}, "block4": block4{}, "block6": block6{}, "local_key": localKey{}, "segment": segment{},
		"rules": rules{}, "header": header{}, "control": control{},
	}
}

// renamed are Go fields that the C names otherwise, or that are a part of a C field.
var renamed = map[string]string{
	"key.MAC": "tag", "key.Segment": "tag", "key.Family": "tag",
}

func objects(t *testing.T) map[string]*btf.Spec {
	t.Helper()
	out := map[string]*btf.Spec{}
	for _, name := range []string{"object_bpfel.o", "object_bpfeb.o"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = spec
	}
	return out
}

// TestLayout holds size and offsets of each shared struct in both objects against its Go twin. Run with GOARCH=386
// it does the same for a machine on which Go aligns 64-bit numbers to 4 bytes.
func TestLayout(t *testing.T) {
	for object, spec := range objects(t) {
		for name, twin := range twins() {
			t.Run(object+"/"+name, func(t *testing.T) {
				var c *btf.Struct
				if err := spec.TypeByName(name, &c); err != nil {
					t.Fatal(err)
				}
				g := reflect.TypeOf(twin)
				if uintptr(c.Size) != g.Size() {
					t.Errorf("%d bytes in C, %d in Go", c.Size, g.Size())
				}
				members := map[string]btf.Member{}
				for _, m := range c.Members {
					members[m.Name] = m
				}
				used := map[string]bool{}
				for i := range g.NumField() {
					f := g.Field(i)
					in, part := renamed[name+"."+f.Name]
					if !part {
						in = cName(members, f.Name)
					}
					m, ok := members[in]
					if !ok {
						t.Errorf("%s: no such field in C", f.Name)
						continue
					}
					used[in] = true
					size, err := btf.Sizeof(m.Type)
					if err != nil {
						t.Fatal(err)
					}
					at := uintptr(m.Offset.Bytes())
					if part {
						if f.Offset < at || f.Offset+f.Type.Size() > at+uintptr(size) {
							t.Errorf("%s at %d lies outside %s at %d..%d", f.Name, f.Offset, in, at, at+uintptr(size))
						}
					} else if at != f.Offset || uintptr(size) != f.Type.Size() {
						t.Errorf("%s: at %d, %d bytes in C, at %d, %d bytes in Go", f.Name, at, size, f.Offset, f.Type.Size())
					}
				}
				for _, m := range c.Members {
					if !used[m.Name] {
						t.Errorf("%s: no such field in Go", m.Name)
					}
				}
			})
		}
	}
}

// cName finds the C field of a Go name: the same but for case and underscores.
func cName(members map[string]btf.Member, name string) string {
	for c := range members {
		if strings.EqualFold(strings.ReplaceAll(c, "_", ""), name) {
			return c
		}
	}
	return strings.ToLower(name)
}

// TestLayoutOfKeyTag: readers go by the last byte of a key to see that a row is taken, the program writes it as part of a word.
func TestLayoutOfKeyTag(t *testing.T) {
	g := reflect.TypeOf(key{})
	for name, at := range map[string]uintptr{"Addr": 0, "MAC": 16, "Segment": 22, "Family": 23} {
		if f, _ := g.FieldByName(name); f.Offset != at {
			t.Errorf("%s is at %d, not at %d", name, f.Offset, at)
		}
	}
	if g.Size() != keySize || reflect.TypeOf(row{}).Size() != rowSize {
		t.Errorf("key of %d bytes, row of %d", g.Size(), reflect.TypeOf(row{}).Size())
	}
}

// TestLayoutConstants compares the numbers that both sides have by name.
func TestLayoutConstants(t *testing.T) {
	raw, err := os.ReadFile("mezoura.bpf.h")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{
		"LAYOUT_MAGIC": layoutMagic, "LAYOUT_VERSION": layoutVersion, "MAX_NETWORKS": MaxNetworks, "MAX_SEGMENTS": MaxSegments,
		"MAX_PREFIXES": MaxPrefixes, "MAX_VLANS": maxVLANs, "NAME_SIZE": nameSize, "FAMILY_IPV4": familyIPv4,
		"FAMILY_IPV6": familyIPv6, "SEGMENT_ANY": segmentAny, "VLAN_ANY": vlanAny,
		"CLASS_INTERNAL": classInternal, "CLASS_ASK": classAsk, "CLASS_BLOCK": classBlock, "MAX_BLOCKS": maxBlocks, "BLOCK_SIZE": blockSize, "SEGMENT_FAR": segmentFar,
	} {
		found := false
		for _, line := range strings.Split(string(raw), "\n") {
			words := strings.Fields(line)
			if len(words) >= 3 && words[0] == "#define" && words[1] == name {
				var got int
				if _, err := fmt.Sscan(words[2], &got); err != nil || got != want {
					t.Errorf("%s is %s in C, %d in Go", name, words[2], want)
				}
				found = true
			}
		}
		if !found {
			t.Errorf("%s is not in mezoura.bpf.h", name)
		}
	}
	// The enum is in no object: clang keeps its numbers only.
	_, list, _ := strings.Cut(string(raw), "enum reason {")
	list, _, _ = strings.Cut(list, "}")
	var names []string
	for _, line := range strings.Split(list, "\n") {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), ","); ok {
			names = append(names, name)
		}
	}
	want := []string{"REASON_NO_PREFIX", "REASON_TABLE_FULL", "REASON_MULTICAST", "REASON_MALFORMED", fmt.Sprintf("REASON_COUNT = %d", reasonCount)}
	if !reflect.DeepEqual(names, want) {
		t.Errorf("reasons in C are %q, in Go %q", names, want)
	}
	if NoPrefix != 0 || TableFull != 1 || Multicast != 2 || Malformed != 3 || Reasons > reasonCount {
		t.Errorf("reasons in Go have other numbers than in C")
	}
}

// TestObjects: both byte orders have the same programs and maps, and no program calls a function of its own or uses an
// atomic, either of which sends it to the interpreter on some 32-bit machines.
func TestObjects(t *testing.T) {
	for _, name := range []string{"object_bpfel.o", "object_bpfeb.o"} {
		spec, err := ebpf.LoadCollectionSpec(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []variant{upload, download, downloadPort, uploadRaw, downloadRaw} {
			p := spec.Programs[string(v)]
			if p == nil {
				t.Errorf("%s: no program %s", name, v)
				continue
			}
			if p.License != "GPL" || p.Type != ebpf.SchedCLS {
				t.Errorf("%s: %s is %s, license %q", name, v, p.Type, p.License)
			}
			for i, ins := range p.Instructions {
				if ins.IsFunctionCall() {
					t.Errorf("%s: %s calls a function at %d", name, v, i)
				}
				if ins.OpCode.Class().IsStore() && ins.OpCode.Mode() == 0xc0 {
					t.Errorf("%s: %s has an atomic at %d", name, v, i)
				}
			}
		}
		for _, m := range []string{mapRows, mapOverflow0, mapOverflow1, mapControl, mapLocals} {
			if spec.Maps[m] == nil {
				t.Errorf("%s: no map %s", name, m)
			}
		}
		if len(spec.Programs) != 5 || len(spec.Maps) != 5 {
			t.Errorf("%s: %d programs, %d maps", name, len(spec.Programs), len(spec.Maps))
		}
	}
}
