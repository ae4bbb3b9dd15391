// SPDX-License-Identifier: GPL-2.0-only

package export_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mezoura/mezoura/service/export"
)

// FuzzAccept asks for any format: there is always a reply, in one of the two.
func FuzzAccept(f *testing.F) {
	for _, accept := range []string{"", "*/*", prometheus2, prometheus3, "application/openmetrics-text;q=1e309", "text/plain;version=\"0.0.4", ";;,=;q=,"} {
		f.Add(accept)
	}
	s, err := export.Listen("127.0.0.1:0", metrics(readme()), export.Timeouts{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, accept string) {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		open := w.Header().Get("Content-Type") == export.OpenMetrics.ContentType()
		if w.Code != 200 || !open && w.Header().Get("Content-Type") != export.Text.ContentType() {
			t.Fatalf("%q: %d %q", accept, w.Code, w.Header().Get("Content-Type"))
		}
		if open != strings.HasSuffix(w.Body.String(), "# EOF\n") || open && !strings.Contains(strings.ToLower(accept), "openmetrics") {
			t.Fatalf("%q: %q", accept, w.Header().Get("Content-Type"))
		}
	})
}

// FuzzName writes hosts of any name: each exposition has as many lines, and
// each line is one series.
func FuzzName(f *testing.F) {
	for _, name := range []string{"koko", "a\"b", "a\\", "a\nb", "\xff\xfe", "} 1 # EOF\n# EOF"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		s := readme()
		s.Hosts[1].Hostname = "x" + name
		for _, format := range []export.Format{export.Text, export.OpenMetrics} {
			got, want := write(t, s, true, format), write(t, readme(), true, format)
			if strings.Count(got, "\n") != strings.Count(want, "\n") || strings.ToValidUTF8(got, "") != got {
				t.Fatalf("%q:\n%s", name, got)
			}
			normal(t, got)
		}
	})
}
