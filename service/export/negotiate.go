// SPDX-License-Identifier: GPL-2.0-only

package export

import (
	"strconv"
	"strings"
)

// negotiate chooses the format by the Accept header: OpenMetrics for whoever
// asks for it by name and prefers no other text; everybody else gets the text
// format, also those who ask for something that there is not.
func negotiate(accept []string) Format {
	open, text := 0.0, 0.0
	for _, part := range strings.Split(strings.Join(accept, ","), ",") {
		fields := strings.Split(part, ";")
		media, version, q := strings.ToLower(strings.TrimSpace(fields[0])), "", 1.0
		for _, f := range fields[1:] {
			name, value, _ := strings.Cut(strings.TrimSpace(f), "=")
			value = strings.Trim(strings.TrimSpace(value), `"`)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "version":
				version = value
			case "q":
				var err error
				if q, err = strconv.ParseFloat(value, 64); err != nil || !(q >= 0 && q <= 1) {
					q = 0
				}
			}
		}
		switch media {
		case "application/openmetrics-text":
			if version == "" || version == "1.0.0" {
				open = max(open, q)
			}
		case "text/plain":
			if version == "" || version == "0.0.4" {
				text = max(text, q)
			}
		}
	}
	if open > 0 && open >= text {
		return OpenMetrics
	}
	return Text
}
