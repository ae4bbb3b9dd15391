# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2046,SC2048,SC2086,SC2154,SC3043
#
# Stands in for procd: writes down what it is told, and does with a program that
# only sleeps what procd does. It ends one some time after it was asked to, and a
# service with a reload_signal it only ever signals.

record() {
	echo "$*" >> /log
}

procd_open_service() {
	instance=0
	: > /procd.new
}

procd_open_instance() {
	instance=1
}

procd_set_param() {
	local type="$1"
	shift
	echo "$type $*" >> /procd.new
	case "$type" in
	pidfile) pidfile="$1" ;;
	file) cat "$@" 2> /dev/null | md5sum >> /procd.new ;;
	reload_signal) reload_signal="$1" ;;
	esac
}

procd_add_jail() {
	echo "jail $*" >> /procd.new
}

procd_add_jail_mount() {
	echo "mount" $(printf '%s\n' $* | sort) >> /procd.new
}

procd_add_jail_mount_rw() {
	echo "mount_rw" $(printf '%s\n' $* | sort) >> /procd.new
}

procd_add_reload_trigger() {
	record trigger "$@"
}

procd_close_instance() {
	:
}

# end PID: as procd, and the daemon, which has something to write first.
end() {
	(sleep 0.4; kill "$1" 2> /dev/null; rm -f /var/run/mezoura.pid /procd.running) &
}

procd_kill() {
	local pid
	record "kill $1"
	pid="$(cat /var/run/mezoura.pid 2> /dev/null)" && end "$pid"
}

procd_close_service() {
	local pid
	service_triggers
	pid="$(cat /var/run/mezoura.pid 2> /dev/null)"
	if [ "$instance" = 0 ]; then
		[ -n "$pid" ] && {
			record "no instance left"
			end "$pid"
		}
		return 0
	fi
	if [ -n "$pid" ] && kill -0 "$pid" 2> /dev/null; then
		cmp -s /procd.new /procd.running || {
			record "signal $reload_signal"
			kill -0 "$pid"
		}
	else
		record start
		sleep 1000 &
		echo $! > "$pidfile"
	fi
	cp /procd.new /procd.running
}
