#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Run by the feed's CI inside the installed system: test.sh PACKAGE VERSION.

case "$1" in
mezoura)
	mezoura version | grep -F "$2"
	;;
esac
