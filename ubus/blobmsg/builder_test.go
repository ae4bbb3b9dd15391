// SPDX-License-Identifier: GPL-2.0-only

package blobmsg_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/mezoura/mezoura/ubus/blobmsg"
)

// TestBuilder writes by hand what Marshal writes of the like, into memory that it has used before.
func TestBuilder(t *testing.T) {
	b := blobmsg.NewBuilder(make([]byte, 3, 16))
	b.String("an earlier message", strings.Repeat("x", 1000))
	inside := marshal(t, map[string]any{"k": "v"})
	list, ok := marshal(t, map[string]any{"l": []any{"a", int32(1), nil}}).Get("l").Array()
	if !ok {
		t.Fatal("no array")
	}
	want := marshal(t, struct {
		Null  *int           `blobmsg:"null"`
		Yes   bool           `blobmsg:"yes"`
		I8    int8           `blobmsg:"i8"`
		I16   int16          `blobmsg:"i16"`
		I32   int32          `blobmsg:"i32"`
		I64   int64          `blobmsg:"i64"`
		U64   uint64         `blobmsg:"u64"`
		F     float64        `blobmsg:"f"`
		Text  string         `blobmsg:"text"`
		Table map[string]any `blobmsg:"table"`
		Array []any          `blobmsg:"array"`
		T     blobmsg.Table  `blobmsg:"t"`
		A     blobmsg.Array  `blobmsg:"a"`
		K     string         `blobmsg:"k"`
	}{nil, true, -1, -300, math.MinInt32, math.MinInt64, math.MaxInt64, 1.5, "tëxt", map[string]any{"x": int64(1)}, []any{"y"}, inside, list, "v"})
	for range 2 {
		b.Reset()
		if b.Len() != 0 {
			t.Errorf("%d bytes after Reset", b.Len())
		}
		b.Null("null")
		b.Bool("yes", true)
		b.Int8("i8", -1)
		b.Int16("i16", -300)
		b.Int32("i32", math.MinInt32)
		b.Int64("i64", math.MinInt64)
		b.Uint64("u64", math.MaxInt64)
		b.Double("f", 1.5)
		b.String("text", "tëxt")
		b.OpenTable("table")
		b.Int64("x", 1)
		b.Close()
		b.OpenArray("array")
		b.String("", "y")
		b.Close()
		b.AddTable("t", inside)
		b.AddArray("a", list)
		b.Append(inside)
		got, err := b.Table()
		if err != nil || got.String() != want.String() || b.Len() != len(got.Bytes()) || string(got.Bytes()) != string(want.Bytes()) {
			t.Fatalf("%v, got\n%s\nwant\n%s", err, got, want)
		}
	}
}

// TestBuilderFails makes each mistake that there is: it is told in the end, and nothing after it counts.
func TestBuilderFails(t *testing.T) {
	long := strings.Repeat("n", 70_000)
	huge := strings.Repeat("v", 1<<24)
	for name, c := range map[string]struct {
		write func(b *blobmsg.Builder)
		is    error
		says  string
	}{
		"left open":        {func(b *blobmsg.Builder) { b.OpenTable("a"); b.OpenArray("b"); b.Close() }, nil, "1 tables or arrays left open"},
		"not open":         {func(b *blobmsg.Builder) { b.Close(); b.Close() }, nil, "close without open"},
		"beyond int64":     {func(b *blobmsg.Builder) { b.Uint64("n", math.MaxInt64+1); b.Int16("a", 1); b.Bool("b", true) }, nil, `write "n": 9223372036854775808 overflows int64`},
		"long name":        {func(b *blobmsg.Builder) { b.OpenTable(long); b.Close() }, blobmsg.ErrTooLong, ""},
		"long name, value": {func(b *blobmsg.Builder) { b.Value(long, []int{1}) }, blobmsg.ErrName, ""},
		"huge":             {func(b *blobmsg.Builder) { b.String("a", huge); b.Append(blobmsg.Table{}) }, blobmsg.ErrTooLong, ""},
		"huge together": {func(b *blobmsg.Builder) {
			b.OpenTable("t")
			b.String("a", huge[:1<<23])
			b.String("b", huge[:1<<23])
			b.Close()
		}, blobmsg.ErrTooLong, ""},
		"deep": {func(b *blobmsg.Builder) {
			for range 300 {
				b.OpenArray("")
			}
		}, blobmsg.ErrDepth, ""},
		"no table":             {func(b *blobmsg.Builder) { b.Fields(5) }, nil, "encode int: not a table"},
		"text that fails":      {func(b *blobmsg.Builder) { b.Value("x", mute{}) }, errMute, "encode blobmsg_test.mute"},
		"no blobmsg for it":    {func(b *blobmsg.Builder) { b.Value("x", make(chan int)) }, nil, "encode chan int: no blobmsg for it"},
		"unsigned, in a field": {func(b *blobmsg.Builder) { b.Fields(struct{ U uint64 }{math.MaxUint64}) }, nil, "overflows int64"},
	} {
		b := &blobmsg.Builder{}
		c.write(b)
		n := b.Len()
		b.Int32("later", 1)
		table, err := b.Table()
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if len(table.Bytes()) != 0 || name != "left open" && b.Len() != n {
			t.Errorf("%s: a table of %d bytes, and %d written after the mistake", name, len(table.Bytes()), b.Len()-n)
		}
	}
}

var errMute = errors.New("nothing to say")

// mute cannot be written.
type mute struct{}

func (mute) MarshalText() ([]byte, error) { return nil, errMute }
func (*mute) UnmarshalText([]byte) error  { return errMute }

// TestNothingToWrite has every form of nothing make an empty table.
func TestNothingToWrite(t *testing.T) {
	for _, v := range []any{nil, blobmsg.Table{}, (*inner)(nil), (map[string]int)(nil), struct{}{}, (**inner)(nil)} {
		if table := marshal(t, v); table.String() != "{}" {
			t.Errorf("%T: %s", v, table)
		}
	}
}

// TestInsideJSON has encoding/json print parts of a message.
func TestInsideJSON(t *testing.T) {
	table := marshal(t, map[string]any{"list": []any{"a\x01\"", int8(2), nil, map[string]any{"nan": math.NaN(), "half": 0.5}}})
	list, _ := table.Get("list").Array()
	got, err := json.Marshal(map[string]any{"table": table, "array": list, "value": table.Get("list"), "none": table.Get("none")})
	const part = `["a\u0001\"",true,null,{"half":0.500000,"nan":null}]`
	if want := `{"array":` + part + `,"none":null,"table":{"list":` + part + `},"value":` + part + `}`; err != nil || string(got) != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, got, want)
	}
}

// TestDecodeOddFits reads values into what takes them and into what does not.
func TestDecodeOddFits(t *testing.T) {
	message := map[string]any{"V": nil}
	for _, c := range []struct {
		value, into any // into: a pointer to a struct with a field V
		want        string
	}{
		{int32(7), &struct{ V float32 }{}, "7"},
		{int32(7), &struct{ V uint8 }{}, "7"},
		{int32(256), &struct{ V uint8 }{}, "type"},
		{int32(-1), &struct{ V uint }{}, "type"},
		{int8(1), &struct{ V string }{}, "type"},
		{int32(1), &struct{ V bool }{}, "type"},
		{1.5, &struct{ V any }{}, "1.5"},
		{1.5, &struct{ V int }{}, "type"},
		{"text", &struct{ V []byte }{}, "text"},
		{"text", &struct{ V []int }{}, "type"},
		{"text", &struct{ V blobmsg.Table }{}, "type"},
		{"text", &struct{ V blobmsg.Value }{}, "text"},
		{"text", &struct{ V mute }{}, errMute.Error()},
		{[]any{"a", "b"}, &struct{ V [3]string }{}, "[a b ]"},
		{[]any{"a", "b"}, &struct{ V [1]string }{}, "[a]"},
		{[]any{"a"}, &struct{ V map[string]string }{}, "type"},
		{[]any{"a", int32(1)}, &struct{ V []string }{}, "V[]"},
		{map[string]any{"k": "x"}, &struct{ V map[string]int }{}, "V.k"},
		{map[string]any{"k": "x"}, &struct{ V []string }{}, "type"},
		{nil, &struct{ V int }{9}, "9"},
	} {
		message["V"] = c.value
		got := ""
		err := marshal(t, message).Unmarshal(c.into)
		var wrong *blobmsg.TypeError
		switch {
		case c.want == "type":
			if !errors.As(err, &wrong) || wrong.Path != "V" {
				t.Errorf("%v into %T: %v", c.value, c.into, err)
			}
			continue
		case err != nil:
			got = err.Error()
		default:
			got = show(reflect.ValueOf(c.into).Elem().Field(0).Interface())
		}
		if got != c.want && !(err != nil && strings.Contains(got, c.want)) {
			t.Errorf("%v into %T: got %q, want %q", c.value, c.into, got, c.want)
		}
	}
}

// show prints a decoded value.
func show(v any) string {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case blobmsg.Value:
		text, _ := v.Text()
		return text
	}
	return fmt.Sprint(v)
}
