# SPDX-License-Identifier: GPL-2.0-or-later
# hvmloader: freestanding 32-bit code, linked to run at 1 MiB.
$(B)/boot/hvmloader:
	@mkdir -p $(@D); cp /usr/lib/xen-4.17/boot/hvmloader $@
