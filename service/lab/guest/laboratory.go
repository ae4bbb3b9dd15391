// SPDX-License-Identifier: GPL-2.0-only

package guest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Inside is set in the environment of the commands that run in a laboratory's guest.
const Inside = "MEZOURA_LAB_GUEST"

// laboratoryModules and laboratoryTools are what a laboratory uses.
var (
	laboratoryModules = []string{
		"af_packet", "veth", "bridge", "8021q", "tun", "wireguard", "sch_ingress", "cls_bpf", "cls_flower", "cls_matchall", "act_gact",
		"nf_tables", "nft_chain_nat", "nft_nat", "nft_masq", "nft_ct", "nft_fwd_netdev", "nf_flow_table", "nf_flow_table_inet", "nft_flow_offload",
	}
	laboratoryTools = []string{"ip", "tc", "bridge", "nft", "ethtool", "wg", "setpriv"}
)

// Laboratory makes a guest in which a laboratory can be opened: Cloud612 with the tools of this machine. The caller adds
// what it is to run. What has to be compiled goes to folder.
func Laboratory(ctx context.Context, folder string) (*Guest, error) {
	cache, err := Cache()
	if err != nil {
		return nil, err
	}
	kernel, err := Fetch(ctx, Cloud612, cache)
	if err != nil {
		return nil, err
	}
	g := &Guest{Kernel: kernel, Init: filepath.Join(folder, "init"), Memory: 768, Modules: laboratoryModules,
		Tools: append([]string{}, laboratoryTools...), Files: map[string]string{}, Env: []string{Inside + "=1", "MEZOURA_REQUIRE_ROOT=1"}}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", g.Init, "github.com/mezoura/mezoura/service/lab/guest/init")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build init: %w: %s", err, strings.TrimSpace(string(out)))
	}
	if os.Getenv("MEZOURA_GUEST_CONSOLE") != "" {
		g.Console = os.Stderr
	}
	return g, nil
}

// Cache is the folder of this user's in which kernels are kept.
func Cache() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find folder for kernels: %w", err)
	}
	return filepath.Join(base, "mezoura/kernels"), nil
}
