#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# openwrt.sh FOLDER TREE FILES BINARY: a router with OpenWrt's own procd, ujail,
# ubusd and scripts, in the mount and PID namespace that it is called in. The
# programs are those on the PATH, the scripts are the tree's. It ends as a shell
# of the router that reads commands.

set -e
folder="$1" tree="$2" files="$3" binary="$4"
base="$tree/package/base-files/files"

mount -t tmpfs tmpfs "$folder"
root="$folder/root"
# This machine's files below, so that the programs find their libraries.
new="$folder/new"
mkdir "$root" "$new" "$folder/work"
bin="$new$(readlink -f /bin)"
sbin="$new$(readlink -f /sbin)"
lib="$new$(readlink -f /lib)"
mkdir -p "$bin" "$sbin" "$lib/functions" "$lib/config" "$new/usr/bin" "$new/usr/sbin" "$new/usr/share/libubox" "$new/usr/share/acl.d"
mkdir -p "$new/etc/config" "$new/etc/init.d" "$new/etc/capabilities"
ln -s tmp "$new/var"

for program in $(busybox --list); do
	[ "$program" = busybox ] || ln -s "$(command -v busybox)" "$bin/$program"
done
for program in procd ujail ubusd uci; do
	cp "$(command -v "$program")" "$sbin/"
done
for program in ubus jshn; do
	rm -f "$bin/$program"
	cp "$(command -v "$program")" "$bin/"
done
cp "$(dirname "$(command -v jshn)")/../share/libubox/jshn.sh" "$new/usr/share/libubox/"
cp "$base/lib/functions.sh" "$lib/"
cp "$base"/lib/functions/*.sh "$tree/package/system/procd/files/procd.sh" "$lib/functions/"
cp "$tree/package/system/uci/files/lib/config/uci.sh" "$lib/config/"
cp "$base/etc/rc.common" "$new/etc/"
chmod 0755 "$new/etc/rc.common"

install -m 0755 "$binary" "$new/usr/bin/mezoura"
install -m 0755 "$files/mezoura.init" "$new/etc/init.d/mezoura"
install -m 0755 "$files/mezoura.defaults" "$new/etc/mezoura.defaults"
install -m 0644 "$files/mezoura.config" "$new/etc/config/mezoura"
install -m 0644 "$files/mezoura.capabilities.json" "$new/etc/capabilities/mezoura.json"
install -m 0644 "$files/mezoura.acl.json" "$new/usr/share/acl.d/mezoura.json"
(
	umask 077
	echo "config dnsmasq" > "$new/etc/config/dhcp"
	echo "config defaults" > "$new/etc/config/firewall"
	echo "config wifi-iface" > "$new/etc/config/wireless"
)
echo "root:x:0:0:root:/root:/bin/ash" > "$new/etc/passwd"
echo "mezoura:x:34711:34712:mezoura:/var/run/mezoura:/bin/false" >> "$new/etc/passwd"
echo "root:x:0:" > "$new/etc/group"
echo "mezoura:x:34712:" >> "$new/etc/group"
echo "127.0.0.1 localhost" > "$new/etc/hosts"
ln -s /tmp/resolv.conf "$new/etc/resolv.conf"

# The mounts and their options are OpenWrt's.
mount -t overlay -o "lowerdir=/,upperdir=$new,workdir=$folder/work" overlay "$root"
mount -t tmpfs -o mode=1777,nosuid,nodev,noatime tmpfs "$root/tmp"
mkdir -p "$root/tmp/run/ubus" "$root/tmp/lock"
mount -t proc -o noatime,nodev,noexec,nosuid proc "$root/proc"
mount -t sysfs -o noatime,nodev,noexec,nosuid sysfs "$root/sys"
mount -t bpf -o mode=0700,noatime,nodev,noexec,nosuid bpffs "$root/sys/fs/bpf"
mount --rbind /dev "$root/dev"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" /bin/sh
