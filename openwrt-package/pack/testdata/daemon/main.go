// SPDX-License-Identifier: GPL-2.0-only

// Command daemon stands in for the daemon where a test needs only some program
// that knows its version.
package main

import (
	"fmt"
	"os"
)

var version = "unknown"

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println("mezoura", version)
		return
	}
	os.Exit(2)
}
