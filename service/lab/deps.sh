#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Sees that the tools are there which `make demo`, `make soak`, `make test-kernels` or `make test` calls: installs them on
# Debian as root, elsewhere says what is missing. Usage: deps.sh demo|soak|kernels|test
set -eu

# tool:package, tools looked for on PATH and in sbin
demo='ip:iproute2 tc:iproute2 bridge:iproute2 nft:nftables ethtool:ethtool'
guests='qemu-system-x86_64:qemu-system-x86 depmod:kmod xz:xz-utils zstd:zstd dpkg:dpkg'
soak="$demo $guests setpriv:util-linux wg:wireguard-tools ldd:libc-bin"
kernels="$guests qemu-system-arm:qemu-system-arm qemu-system-aarch64:qemu-system-arm
	qemu-system-mips:qemu-system-mips qemu-system-mipsel:qemu-system-mips qemu-system-mips64el:qemu-system-mips
	qemu-system-s390x:qemu-system-misc"
test="$soak $kernels
	clang-14:clang-14 llvm-strip-14:llvm-14 clang-format-14:clang-format-14 dnsmasq:dnsmasq-base busybox:busybox-static
	qemu-mips-static:qemu-user-static shellcheck:shellcheck promtool:prometheus prometheus:prometheus
	prometheus-node-exporter:prometheus-node-exporter git:git chromium:chromium tmux:tmux node:nodejs npm:npm gcc:gcc"
# header:package
headers='/usr/include/stdlib.h:libc6-dev /usr/include/bpf/bpf_helpers.h:libbpf-dev /usr/include/linux/if_ether.h:linux-libc-dev /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf:fonts-dejavu-core
	/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc:fonts-noto-cjk'

case ${1:-} in
demo) wanted=$demo files= ;;
soak) wanted=$soak files= ;;
test) wanted=$test files=$headers ;;
kernels) wanted=$kernels files= ;;
*) echo "usage: deps.sh demo|soak|kernels|test" >&2; exit 2 ;;
esac

# Kernels for big-endian MIPS are in no distribution: unless they lie beside the project or in the cache, they are built.
case $1 in test | kernels)
	beside=$(dirname "$0")/../../../shared/kernels
	cache=${XDG_CACHE_HOME:-${HOME:-}/.cache}/mezoura/kernels/built-mips
	for version in 5.10 6.12; do
		[ -e "$beside/vmlinux-mips-be-$version.xz" ] || [ -e "$cache/vmlinux-$version" ] || {
			wanted="$wanted mips-linux-gnu-gcc:gcc-mips-linux-gnu cc:gcc make:make flex:flex bison:bison bc:bc perl:perl"
			files="$files /usr/include/openssl/ssl.h:libssl-dev /usr/include/libelf.h:libelf-dev"
			break
		}
	done
	;;
esac

PATH=$PATH:/usr/sbin:/sbin
missing=
need() { # package
	case " $missing " in *" $1 "*) ;; *) missing="$missing $1" ;; esac
}
look() {
	missing=
	for pair in $wanted; do
		command -v "${pair%%:*}" >/dev/null 2>&1 || need "${pair#*:}"
	done
	for pair in $files; do
		[ -e "${pair%%:*}" ] || need "${pair#*:}"
	done
}

look
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "deps: installing$missing"
	# Services that come with a package (prometheus) are not started: only their programs are wanted.
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod +x $policy
		trap 'rm -f $policy' EXIT
	fi
	export DEBIAN_FRONTEND=noninteractive
	# The lists may be stale or absent: only then they are fetched.
	# shellcheck disable=SC2086 # a list of packages
	apt-get install -qq -y --no-install-recommends $missing >/dev/null 2>&1 || {
		apt-get update -qq
		apt-get install -qq -y --no-install-recommends $missing >/dev/null
	}
	look
	[ -n "$missing" ] || exit 0
fi
echo "deps: these Debian packages are missing, or what is like them elsewhere:$missing" >&2
[ "$1" = demo ] || [ "$(id -u)" = 0 ] || { echo "deps: tests that need them will skip" >&2; exit 0; }
exit 1
