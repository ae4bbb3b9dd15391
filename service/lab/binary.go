// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Binary returns the path of the daemon to be tested: the one that MEZOURA_BINARY names, else one that is built from this
// tree into a folder.
func Binary(folder string) (string, error) {
	if path := os.Getenv("MEZOURA_BINARY"); path != "" {
		return path, nil
	}
	path := filepath.Join(folder, "mezoura")
	cmd := exec.Command("go", "build", "-o", path, "github.com/mezoura/mezoura/service/mezoura")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build daemon: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return path, nil
}
