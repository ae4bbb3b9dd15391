// SPDX-License-Identifier: GPL-2.0-only

package blobmsg_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/mezoura/mezoura/ubus/blobmsg"
)

type golden struct {
	bytes        []byte
	json, indent string
}

// readGolden reads what the real libubox wrote and printed.
func readGolden(t testing.TB) map[string]golden {
	t.Helper()
	text, err := os.ReadFile("testdata/libubox.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]golden)
	for _, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
		lines := strings.Split(block, "\n")
		if len(lines) != 4 {
			t.Fatalf("testdata: %q", block)
		}
		raw, err := hex.DecodeString(strings.TrimSpace(strings.TrimPrefix(lines[1], "bytes")))
		if err != nil {
			t.Fatal(err)
		}
		indent := strings.TrimPrefix(lines[3], "indent ")
		indent = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t").Replace(indent)
		all[strings.TrimPrefix(lines[0], "# ")] = golden{raw, strings.TrimPrefix(lines[2], "json "), indent}
	}
	return all
}

// TestGolden builds what the C program built with libubox, byte for byte, and
// prints it, character for character.
func TestGolden(t *testing.T) {
	t.Parallel()
	h := strings.Repeat("h", 255)
	build := map[string]blobmsg.Fields{
		"empty":   {},
		"int8":    {{"false", false}, {"true", true}, {"n", int8(-7)}},
		"int16":   {{"min", int16(-1 << 15)}, {"max", int16(1<<15 - 1)}},
		"int32":   {{"min", int32(-1 << 31)}, {"max", 1<<31 - 1}},
		"int64":   {{"min", int64(-1 << 63)}, {"max", int64(1<<63 - 1)}},
		"double":  {{"pi", 3.14159265358979}, {"big", -1e21}, {"zero", 0.0}},
		"string":  {{"a", ""}, {"ab", "x"}, {"abc", "xyz"}, {"abcd", []byte("wxyz")}, {"abcde", "Zürich"}},
		"escapes": {{"q\"", "say \"hi\" \\ / \b\f\n\r\t\x01\x1f\x7f"}},
		"unspec":  {{"null", nil}},
		"table":   {{"t", blobmsg.Fields{{"n", 1}, {"e", map[string]int{}}}}},
		"array":   {{"a", []any{1, "two", []bool{true}, blobmsg.Fields{{"k", int64(5000000000)}}}}},
		"long":    {{h, h}},
	}
	for name, want := range readGolden(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parsed, err := blobmsg.Parse(want.bytes)
			if err != nil {
				t.Fatal(err)
			}
			if fields, ok := build[name]; ok {
				table, err := blobmsg.Marshal(fields)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(table.Bytes(), want.bytes) {
					t.Errorf("got  %x\nwant %x", table.Bytes(), want.bytes)
				}
			} else if name != "from json" {
				t.Error("no Go value for this case")
			}
			if got := parsed.String(); got != want.json {
				t.Errorf("got  %s\nwant %s", got, want.json)
			}
			if got := string(parsed.AppendJSONIndent(nil)); got != want.indent {
				t.Errorf("got  %s\nwant %s", strconv.Quote(got), strconv.Quote(want.indent))
			}
		})
	}
}

// TestParseJSON reads JSON into the bytes that the ubus tool sends for it.
func TestParseJSON(t *testing.T) {
	t.Parallel()
	table, err := blobmsg.ParseJSON([]byte(`{"i":1,"neg":-2147483648,"l":2147483648,"f":1.5,"t":true,"n":null,` +
		`"s":"\u00e9","a":[1,[],{}],"o":{"x":{}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := readGolden(t)["from json"].bytes; !bytes.Equal(table.Bytes(), want) {
		t.Errorf("got  %x\nwant %x", table.Bytes(), want)
	}
	for _, bad := range []string{"", "[]", "1", `{"a":}`, `{"a":1`, `{} {}`, `{"a":1e999}`,
		`{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`} {
		if table, err := blobmsg.ParseJSON([]byte(bad)); err == nil {
			t.Errorf("%.40s: accepted as %v", bad, table)
		}
	}
}
