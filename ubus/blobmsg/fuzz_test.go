// SPDX-License-Identifier: GPL-2.0-only

package blobmsg_test

import (
	"encoding/json"
	"math"
	"testing"
	"unicode/utf8"

	"github.com/mezoura/mezoura/ubus/blobmsg"
)

// FuzzParse reads anything. What is accepted prints as valid JSON and, encoded
// again from Go values, means the same.
func FuzzParse(f *testing.F) {
	for _, g := range readGolden(f) {
		f.Add(g.bytes)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		table, err := blobmsg.Parse(raw)
		if err != nil {
			return
		}
		for _, text := range [][]byte{table.AppendJSON(nil), table.AppendJSONIndent(nil)} {
			if !json.Valid(text) || !utf8.Valid(text) {
				t.Fatalf("%x prints as %s", raw, text)
			}
		}
		var into map[string]any
		if err := table.Unmarshal(&into); err != nil {
			t.Fatalf("%x: %v", raw, err)
		}
		var into2 everything
		_ = table.Unmarshal(&into2) // types may not fit; it must not panic
		if _, empty := into[""]; empty {
			return // can be read, not written
		}
		again, err := blobmsg.Marshal(into)
		if err != nil {
			if hasEmptyName(into) {
				return
			}
			t.Fatalf("%x: %v", raw, err)
		}
		twice, err := blobmsg.Parse(again.Bytes())
		if err != nil {
			t.Fatalf("%x: encoded to what cannot be read: %v", raw, err)
		}
		third, err := blobmsg.Marshal(twice.Map())
		if err != nil || third.String() != again.String() {
			t.Fatalf("%x: %v became %v (%v)", raw, again, third, err)
		}
	})
}

func hasEmptyName(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for name, item := range v {
			if name == "" || hasEmptyName(item) {
				return true
			}
		}
	case []any:
		for _, item := range v {
			if hasEmptyName(item) {
				return true
			}
		}
	}
	return false
}

// FuzzRoundTrip writes values and wants them back.
func FuzzRoundTrip(f *testing.F) {
	f.Add("name", "text", int64(1), 1.5, true)
	f.Add("n\x00", "\xff", int64(-1), math.Copysign(0, -1), false)
	f.Fuzz(func(t *testing.T, name, text string, n int64, d float64, on bool) {
		type row struct {
			Text string
			N    int64
			N32  int32
			N16  int16
			N8   int8
			D    float64
			On   bool
			Rows []row
		}
		in := row{text, n, int32(n), int16(n), int8(n), d, on, []row{{Text: text + name}}}
		table, err := blobmsg.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := blobmsg.Parse(table.Bytes()); err != nil {
			t.Fatal(err)
		}
		var out row
		if err := table.Unmarshal(&out); err != nil {
			t.Fatal(err)
		}
		again, err := blobmsg.Marshal(out)
		if err != nil || string(again.Bytes()) != string(table.Bytes()) {
			t.Fatalf("%v became %v (%v)", table, again, err)
		}
		if utf8.ValidString(text) && !containsNUL(text) && out.Text != text {
			t.Fatalf("%q became %q", text, out.Text)
		}
		if out.N != n || out.N32 != int32(n) || out.N16 != int16(n) || out.N8 != int8(n) || out.On != on || out.D != d && d == d {
			t.Fatalf("%+v became %+v", in, out)
		}
	})
}

func containsNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}
