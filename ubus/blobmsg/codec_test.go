// SPDX-License-Identifier: GPL-2.0-only

package blobmsg_test

import (
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/mezoura/mezoura/ubus/blobmsg"
)

type inner struct {
	Addr  netip.Addr `blobmsg:"addr"`
	Bytes uint64     `json:"bytes"`
}

// Base is embedded in everything.
type Base struct {
	ID int32 `blobmsg:"id"`
}

type everything struct {
	Base
	On       bool              `blobmsg:"on"`
	I8       int8              `blobmsg:"i8"`
	I16      int16             `blobmsg:"i16"`
	U8       uint8             `blobmsg:"u8"`
	U16      uint16            `blobmsg:"u16"`
	U32      uint32            `blobmsg:"u32"`
	U64      uint64            `blobmsg:"u64"`
	I        int               `blobmsg:"i"`
	F32      float32           `blobmsg:"f32"`
	F64      float64           `blobmsg:"f64"`
	Text     string            `blobmsg:"text"`
	List     []inner           `blobmsg:"list"`
	Pair     [2]int            `blobmsg:"pair"`
	Map      map[string]string `blobmsg:"map"`
	Any      any               `blobmsg:"any"`
	Next     *inner            `blobmsg:"next"`
	Gone     *inner            `blobmsg:"gone,omitempty"`
	Raw      blobmsg.Table     `blobmsg:"raw"`
	Skipped  string            `blobmsg:"-"`
	Untagged string
	hidden   int
}

func marshal(t testing.TB, v any) blobmsg.Table {
	t.Helper()
	table, err := blobmsg.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	in := everything{Base: Base{-5}, On: true, I8: -100, I16: -3000, U8: 255, U16: 65535, U32: math.MaxUint32,
		U64: math.MaxInt64, I: math.MaxInt32, F32: 0.5, F64: math.MaxFloat64, Text: "täxt",
		List: []inner{{netip.MustParseAddr("fd00::1"), 7}, {netip.MustParseAddr("192.0.2.1"), 8}},
		Pair: [2]int{1, -1}, Map: map[string]string{"a": "b", "c": ""}, Any: "any",
		Next: &inner{Addr: netip.MustParseAddr("::"), Bytes: 1}, Raw: marshal(t, map[string]any{"x": true}),
		Untagged: "as in Go", hidden: 1}
	table := marshal(t, &in)
	if _, err := blobmsg.Parse(table.Bytes()); err != nil {
		t.Fatalf("our own message: %v", err)
	}
	var out everything
	if err := table.Unmarshal(&out); err != nil {
		t.Fatal(err)
	}
	out.hidden = 1
	if !reflect.DeepEqual(in, out) {
		t.Errorf("got  %+v\nwant %+v", out, in)
	}
	if !table.Get("on").Exists() || table.Get("gone").Exists() || table.Get("Skipped").Exists() || table.Get("hidden").Exists() {
		t.Errorf("wrong fields: %v", table)
	}
	back := marshal(t, table.Map())
	if again := marshal(t, back.Map()); again.String() != back.String() {
		t.Errorf("map: got %v, want %v", again, back)
	}
}

func TestUnmarshalErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		in   any
		want string
	}{
		{"string into number", map[string]any{"u8": "1"}, "decode u8: string does not fit uint8"},
		{"too large", map[string]any{"u8": 256}, "decode u8: int32 does not fit uint8"},
		{"negative", map[string]any{"u64": -1}, "decode u64: int32 does not fit uint64"},
		{"number into bool", map[string]any{"on": 1}, "decode on: int32 does not fit bool"},
		{"double into int", map[string]any{"i": 1.5}, "decode i: double does not fit int"},
		{"table into text", map[string]any{"text": map[string]any{}}, "decode text: table does not fit string"},
		{"text into table", map[string]any{"raw": "x"}, "decode raw: string does not fit blobmsg.Table"},
		{"deep", map[string]any{"list": []any{map[string]any{"bytes": "x"}}}, "decode list[].bytes: string does not fit uint64"},
		{"address", map[string]any{"next": map[string]any{"addr": "x"}}, "decode next.addr: ParseAddr"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out everything
			err := marshal(t, tt.in).Unmarshal(&out)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	if err := (blobmsg.Table{}).Unmarshal(everything{}); err == nil {
		t.Error("no pointer: no error")
	}
}

func TestMarshalErrors(t *testing.T) {
	t.Parallel()
	type loop struct{ Next *loop }
	round := &loop{}
	round.Next = round
	for name, v := range map[string]any{
		"no table":     7,
		"list":         []int{1},
		"overflow":     map[string]any{"n": uint64(math.MaxInt64 + 1)},
		"channel":      map[string]any{"c": make(chan int)},
		"number keys":  map[string]any{"m": map[int]int{}},
		"empty name":   map[string]any{"": 1},
		"endless":      round,
		"long name":    map[string]any{strings.Repeat("n", 1<<16): 1},
		"long message": map[string]any{"s": strings.Repeat("s", 1<<24)},
	} {
		if table, err := blobmsg.Marshal(v); err == nil {
			t.Errorf("%s: no error but %d bytes", name, len(table.Bytes()))
		}
	}
	var b blobmsg.Builder
	b.OpenTable("open")
	if _, err := b.Table(); err == nil {
		t.Error("open table: no error")
	}
	b.Close()
	b.Close()
	if _, err := b.Table(); err == nil {
		t.Error("closed twice: no error")
	}
}

// TestHostile writes host names as clients choose them and wants valid JSON,
// valid UTF-8 in the message and, where it was text, the same text back.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, name := range []string{`"`, `\`, `a"b\c'd`, "\x00", "nul\x00within", "\x01\x02\x1f\x7f", "\n\r\t\b\f", "\xff\xfe",
		"caf\xe9", "\xed\xa0\x80", "\xf0\x9f\x98", "😀", strings.Repeat("\xff", 255), strings.Repeat(`"`, 255),
		strings.Repeat("x", 255), "</script>", "\u2028", "{}", "$(reboot)"} {
		table := marshal(t, blobmsg.Fields{{"hostname", name}, {name + "!", 1}})
		for _, text := range [][]byte{table.AppendJSON(nil), table.AppendJSONIndent(nil)} {
			var back map[string]any
			if err := json.Unmarshal(text, &back); err != nil {
				t.Errorf("%q: %v in %s", name, err, text)
			}
			if got, _ := back["hostname"].(string); got != table.Text("hostname") {
				t.Errorf("%q: JSON says %q, the message %q", name, got, table.Text("hostname"))
			}
		}
		if clean := strings.ToValidUTF8(name, "") == name && !strings.Contains(name, "\x00"); clean && table.Text("hostname") != name {
			t.Errorf("%q came back as %q", name, table.Text("hostname"))
		}
		if strings.ToValidUTF8(table.Text("hostname"), "") != table.Text("hostname") {
			t.Errorf("%q was sent as it was", name)
		}
	}
}

// TestForeignBytes prints a string that another program sent.
func TestForeignBytes(t *testing.T) {
	t.Parallel()
	raw := []byte("\x83\x00\x00\x0b\x00\x01a\x00\xffb\x00\x00")
	table, err := blobmsg.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got := table.Text("a"); got != "\xffb" {
		t.Errorf("got %q", got)
	}
	if got, want := table.String(), `{"a":"`+"\uFFFD"+`b"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"header cut short":        "\x87\x00\x00",
		"length below header":     "\x87\x00\x00\x03",
		"length beyond the end":   "\x87\x00\x00\x0c\x00\x01a\x00",
		"padding missing":         "\x87\x00\x00\x09\x00\x01a\x00\x01",
		"name without length":     "\x87\x00\x00\x05\x00\x00\x00\x00",
		"name longer than value":  "\x87\x00\x00\x08\x00\x09a\x00",
		"name without end":        "\x87\x00\x00\x0c\x00\x01aa\x01\x00\x00\x00",
		"unknown type":            "\x89\x00\x00\x08\x00\x01a\x00",
		"int8 of two bytes":       "\x87\x00\x00\x0a\x00\x01a\x00\x01\x01\x00\x00",
		"int32 of two bytes":      "\x85\x00\x00\x0a\x00\x01a\x00\x01\x01\x00\x00",
		"double of four bytes":    "\x88\x00\x00\x0c\x00\x01a\x00\x01\x01\x00\x00",
		"string without end":      "\x83\x00\x00\x09\x00\x01a\x00x\x00\x00\x00",
		"string without anything": "\x83\x00\x00\x08\x00\x01a\x00",
		"malformed within":        "\x82\x00\x00\x0c\x00\x01a\x00\x87\x00\x00\x00",
	}
	for name, raw := range tests {
		if table, err := blobmsg.Parse([]byte(raw)); !errors.Is(err, blobmsg.ErrMalformed) {
			t.Errorf("%s: got %v, %v", name, table, err)
		}
	}
	var deep []byte
	for range 2000 {
		n := len(deep) + 8
		deep = append([]byte{0x81, byte(n >> 16), byte(n >> 8), byte(n), 0, 0, 0, 0}, deep...)
	}
	if _, err := blobmsg.Parse(deep); !errors.Is(err, blobmsg.ErrDepth) {
		t.Errorf("2000 arrays deep: got %v", err)
	}
}

// TestLookup reads values of several widths, names given twice and such that are
// not there.
func TestLookup(t *testing.T) {
	t.Parallel()
	table := marshal(t, blobmsg.Fields{{"n", int16(-2)}, {"n", 5}, {"b", int8(2)}, {"f", 2.5}, {"s", "text"},
		{"t", blobmsg.Fields{{"x", 1}}}, {"a", []int{4, 5}}, {"z", nil}})
	if table.Int("n") != -2 || table.Int("s") != 0 || table.Int("none") != 0 {
		t.Errorf("Int: %d %d %d", table.Int("n"), table.Int("s"), table.Int("none"))
	}
	if !table.Bool("b") || !table.Bool("n") || table.Bool("f") || table.Bool("none") {
		t.Error("Bool")
	}
	if f, ok := table.Get("f").Float(); f != 2.5 || !ok {
		t.Errorf("Float: %v %v", f, ok)
	}
	if table.Text("s") != "text" || table.Text("n") != "" || table.Table("t").Int("x") != 1 || !table.Table("s").Empty() {
		t.Error("Text or Table")
	}
	if got := table.Array("a").Slice(); !reflect.DeepEqual(got, []any{int32(4), int32(5)}) || table.Array("s").Len() != 0 {
		t.Errorf("Array: %v", got)
	}
	if v := table.Get("b").Any(); v != int8(2) {
		t.Errorf("int8: %T %v", v, v)
	}
	if v := table.Get("z"); !v.Exists() || v.Type() != blobmsg.Unspec || v.Any() != nil || table.Get("none").Exists() {
		t.Error("null")
	}
	n := 0
	for range table.All() {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d rounds", n)
	}
}
