# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1090,SC2034,SC2046,SC3043
#
# Stands in for OpenWrt's /lib/functions.sh: reads UCI files well enough for a
# test, by running them.

config() {
	CONFIG_N=$((CONFIG_N + 1))
	CONFIG_SECTION="${2:-cfg$CONFIG_N}"
	CONFIG_SECTIONS="$CONFIG_SECTIONS $CONFIG_SECTION"
	eval "CONFIG_${CONFIG_SECTION}_TYPE=\$1"
}

option() {
	eval "CONFIG_${CONFIG_SECTION}_$1=\$2"
}

list() {
	eval "CONFIG_${CONFIG_SECTION}_$1=\"\${CONFIG_${CONFIG_SECTION}_$1:+\$CONFIG_${CONFIG_SECTION}_$1 }\$2\""
}

config_load() {
	unset $(set | sed -n 's/^\(CONFIG_[^=]*\)=.*/\1/p')
	CONFIG_N=0
	CONFIG_SECTIONS=
	[ -f "/etc/config/$1" ] || return 1
	sh -n "/etc/config/$1" 2> /dev/null || {
		echo "uci: Parse error" >&2
		return 1
	}
	. "/etc/config/$1"
}

config_get() {
	eval "$1=\${CONFIG_$2_$3:-\$4}"
}

config_get_bool() {
	config_get "$@"
	eval "case \"\$$1\" in
		1 | on | true | yes | enabled) $1=1 ;;
		0 | off | false | no | disabled) $1=0 ;;
		*) $1=\$4 ;;
	esac"
}

config_foreach() {
	local callback="$1" type="$2" section
	for section in $CONFIG_SECTIONS; do
		eval "[ \"\$CONFIG_${section}_TYPE\" = \"$type\" ]" && "$callback" "$section"
	done
	return 0
}
