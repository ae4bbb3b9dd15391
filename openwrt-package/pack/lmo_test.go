// SPDX-License-Identifier: GPL-2.0-only

package pack_test

import (
	"encoding/binary"
	"testing"

	"github.com/mezoura/mezoura/openwrt-package/pack"
)

const catalog = `# a comment
msgid ""
msgstr ""
"Project-Id-Version: mezoura\n"
"Plural-Forms: nplurals=2; plural=n != 1;\n"
"Language: de\n"

#: view.js:1
msgid "Upload"
msgstr "Gesendet"

msgid ""
"Traffic  of\n"
"hosts"
msgstr "Verkehr \"aller\""

msgctxt "menu"
msgid "Status"
msgstr "Zustand"

msgid "%d host"
msgid_plural "%d hosts"
msgstr[0] "%d Gerät"
msgstr[1] "%d Geräte"

#, fuzzy
msgid "Host"
msgstr "Wirt"

msgid "Network"
msgstr ""

msgid "MAC"
msgstr "MAC"
`

// The numbers are LuCI's own: its hash of each key.
func TestCompilePO(t *testing.T) {
	data, err := pack.CompilePO([]byte(catalog))
	if err != nil {
		t.Fatal(err)
	}
	got := readCatalog(t, data)
	want := map[uint32]string{
		0:          "nplurals=2; plural=n != 1;",
		758853257:  "Gesendet",
		327412479:  `Verkehr "aller"`,
		1202375665: "Zustand",
		263522570:  "%d Gerät",
	}
	for key, value := range want {
		if got[key] != value {
			t.Errorf("key %d: %q, want %q", key, got[key], value)
		}
	}
	if len(got) != len(want)+1 { // and the second form of the plural
		t.Errorf("%d translations, want %d: %q", len(got), len(want)+1, got)
	}
}

func TestCompilePOOfNothing(t *testing.T) {
	data, err := pack.CompilePO([]byte("msgid \"\"\nmsgstr \"Plural-Forms: x\\n\"\n\nmsgid \"Host\"\nmsgstr \"\"\n"))
	if err != nil || len(data) != 0 {
		t.Errorf("%d bytes, error %v; want nothing", len(data), err)
	}
}

func TestCompilePORefuses(t *testing.T) {
	for _, text := range []string{
		`"x"`, "msgid x", `msgid "x`, `msgid "x" "y"`, `msgid "\"`, `msgid "\q"`, `msgstr[10] "x"`, `msgstr[-1] "x"`, `nonsense "x"`,
	} {
		if _, err := pack.CompilePO([]byte(text)); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

func FuzzCompilePO(f *testing.F) {
	f.Add([]byte(catalog))
	f.Fuzz(func(t *testing.T, text []byte) {
		data, err := pack.CompilePO(text)
		if err == nil && len(data) > 0 {
			readCatalog(t, data)
		}
	})
}

// readCatalog reads what the pages read, and fails where they would.
func readCatalog(t *testing.T, data []byte) map[uint32]string {
	t.Helper()
	if len(data) < 4 || len(data)%4 != 0 {
		t.Fatalf("%d bytes: want a multiple of 4", len(data))
	}
	start := binary.BigEndian.Uint32(data[len(data)-4:])
	index := data[start : len(data)-4]
	if len(index)%16 != 0 {
		t.Fatalf("index of %d bytes: want a multiple of 16", len(index))
	}
	found := make(map[uint32]string)
	last := uint32(0)
	for ; len(index) > 0; index = index[16:] {
		key, offset, length := binary.BigEndian.Uint32(index), binary.BigEndian.Uint32(index[8:]), binary.BigEndian.Uint32(index[12:])
		if key < last {
			t.Fatalf("key %d after %d: not sorted", key, last)
		}
		last = key
		found[key] = string(data[offset : offset+length])
	}
	return found
}

// Keys of every length modulo 4, and bytes that are negative to LuCI.
func TestCompilePOHash(t *testing.T) {
	for id, key := range map[string]uint32{
		"a": 291415938, "Up": 945874295, "Hos": 1533763261, "Host": 3918368264, "Hosts": 336908470,
		"é": 3304826196, "Größe": 4032279247,
	} {
		data, err := pack.CompilePO([]byte("msgid \"" + id + "\"\nmsgstr \"x\"\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := readCatalog(t, data); got[key] != "x" {
			t.Errorf("%s: keys %v, want %d", id, got, key)
		}
	}
}
