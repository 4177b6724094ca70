# SPDX-License-Identifier: GPL-2.0-or-later
# make            build everything below build/
# make demo       set up this machine, build, make an install ISO, run `xm create -c` with it
# make check      set up this machine and run the tests        (check-unit: only the fast ones)
# make install    DESTDIR= and configure's --prefix are obeyed
# make lint | clean | distclean;  V=1 shows commands;  B=DIR builds somewhere else
.DEFAULT_GOAL := all
B ?= build
-include config.mk
MODE ?= release
CC ?= gcc
WERROR ?= 1
Q = $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)	$(2)")

OPT = $(if $(filter debug,$(MODE)),-O0,-O2)
SAN = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer)$(if $(COVER),--coverage)
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
       $(if $(filter 1,$(WERROR)),-Werror)
pc = $(shell pkg-config --cflags $(1))
BASE_CFLAGS := $(shell pkg-config --cflags glib-2.0 gio-unix-2.0)
CFLAGS ?= -g
ALL_CFLAGS = -std=gnu11 $(OPT) $(SAN) $(WARN) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. -Iinclude \
             -pthread -fno-strict-aliasing -fstack-protector-strong $(BASE_CFLAGS) $(CFLAGS)
LIBS_BASE := $(shell pkg-config --libs glib-2.0 gio-unix-2.0 libseccomp libcap-ng) -pthread -lm

# --- directories are libraries ---------------------------------------------------------------
DIRS = lib hypervisor hypervisor/hvm hypervisor/kvm hypervisor/soft hypervisor/soft/jit \
       dm hw hw/usb usb usb/host block net net/user net/switch ui ui/common ui/vnc ui/sdl ui/sound tools/common \
       tools/xm tools/xend
MAINS = hypervisor/main.c dm/main.c usb/host/main.c net/user/main.c net/switch/main.c ui/vnc/main.c \
        ui/sdl/main.c ui/sound/main.c \
        tools/xm/main.c tools/xend/main.c
libname = $(B)/lib/lib$(subst /,_,$(1)).a
objs = $(patsubst %,$(B)/obj/%.o,$(basename $(filter-out $(MAINS),$(wildcard $(1)/*.c) $(wildcard $(1)/*.S))))

define directory
$(call libname,$(1)): $(call objs,$(1))
	$$(call say,AR,$$@)
	$$(Q)mkdir -p $$(@D) && rm -f $$@ && $(AR) rcs $$@ $$^
endef
$(foreach d,$(DIRS),$(eval $(call directory,$(d))))

$(B)/obj/ui/vnc/%.o: EXTRA = $(call pc,libvncserver pixman-1 xkbcommon)
$(B)/obj/ui/sdl/%.o: EXTRA = $(call pc,sdl2 pixman-1 xkbcommon)
$(B)/obj/ui/common/%.o: EXTRA = $(call pc,pixman-1 xkbcommon)
$(B)/obj/ui/sound/%.o: EXTRA = $(call pc,sdl2)
$(B)/obj/usb/host/%.o: EXTRA = $(call pc,libusb-1.0)
$(B)/obj/net/user/%.o: EXTRA = $(call pc,slirp)
# The software CPU keeps guest state in memory and its bodies chain by tail calls.
$(B)/obj/hypervisor/soft/%.o: EXTRA = -fno-stack-protector $(if $(SAN)$(filter debug,$(MODE)),,-O2 -foptimize-sibling-calls)
# Called with the guest's floating-point control words in place (EngineHost.io_read_now).
INTEGER_ONLY = hypervisor/exits hypervisor/ports hypervisor/ioreq hypervisor/platform_glue hypervisor/event \
               hypervisor/domain hypervisor/vcpu hypervisor/dm_channel hypervisor/collect hypervisor/memory \
               hypervisor/device_lock hypervisor/quick_clock hypervisor/soft/jit/runs \
               $(patsubst %.c,%,$(wildcard hypervisor/hvm/*.c)) lib/io_map lib/io_publish lib/irq lib/timer \
               lib/device lib/machine
$(INTEGER_ONLY:%=$(B)/obj/%.o): EXTRA += -mgeneral-regs-only

$(B)/obj/%.o: %.c config.h
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -DG_LOG_DOMAIN='"$(firstword $(subst /, ,$<))"' $(EXTRA) -MMD -MP -c -o $@ $<
$(B)/obj/%.o: %.S config.h
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# --- programs: main object, directories (leaf first), libraries ------------------------------
PROGRAMS = hypervisor qemu-dm dm-usb dm-net dm-switch dm-ui dm-sdl dm-sound xm xend
hypervisor_DIRS = hypervisor hypervisor/kvm hypervisor/soft hypervisor/soft/jit hypervisor/hvm lib
qemu-dm_DIRS = dm hw hw/usb usb block net ui lib
dm-usb_DIRS = usb/host lib
dm-net_DIRS = net/user lib
dm-switch_DIRS = net/switch lib
dm-ui_DIRS = ui/vnc ui/common lib
dm-sdl_DIRS = ui/sdl ui/common lib
dm-sound_DIRS = ui/sound lib
xm_DIRS = tools/xm tools/common block lib
xend_DIRS = tools/xend tools/common block lib
LIBS_BLOCK := -laio $(shell pkg-config --libs libzstd zlib)
# Of this C++ library only one object in C is wanted: out of the archive it comes alone.
LIBS_SOUND := $(shell pkg-config --libs-only-L adplug) -l:libadplug.a
qemu-dm_LIBS = $(LIBS_BLOCK) $(LIBS_SOUND)
dm-usb_LIBS := $(shell pkg-config --libs libusb-1.0)
dm-net_LIBS := $(shell pkg-config --libs slirp)
dm-ui_LIBS := $(shell pkg-config --libs libvncserver pixman-1 xkbcommon)
dm-sdl_LIBS := $(shell pkg-config --libs sdl2 pixman-1 xkbcommon)
dm-sound_LIBS := $(shell pkg-config --libs sdl2)
hypervisor_MAIN = hypervisor
qemu-dm_MAIN = dm
dm-usb_MAIN = usb/host
dm-net_MAIN = net/user
dm-switch_MAIN = net/switch
dm-ui_MAIN = ui/vnc
dm-sdl_MAIN = ui/sdl
dm-sound_MAIN = ui/sound
xm_MAIN = tools/xm
xend_MAIN = tools/xend

all: $(PROGRAMS:%=$(B)/bin/%) $(B)/boot/hvmloader

define program
$(B)/bin/$(1): $(B)/obj/$($(1)_MAIN)/main.o $(foreach d,$($(1)_DIRS),$(call libname,$(d)))
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(CC) $(SAN) -o $$@ $$< -Wl,--start-group $(foreach d,$($(1)_DIRS),$(call libname,$(d))) \
		-Wl,--end-group $($(1)_LIBS) $(LIBS_BASE)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

config.h:
	@echo "Run ./configure first (or make demo / make check, which do all the set-up)." >&2; exit 1

include firmware/hvmloader/build.mk
include tests/build.mk

# --- the rest --------------------------------------------------------------------------------
install: all
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(libexecdir)/guesthouse $(DESTDIR)$(mandir)/man1 \
		$(DESTDIR)$(mandir)/man5
	install -m755 $(B)/bin/xm $(B)/bin/xend $(DESTDIR)$(bindir)
	install -m755 $(filter-out %/xm %/xend,$(PROGRAMS:%=$(B)/bin/%)) $(DESTDIR)$(libexecdir)/guesthouse
	install -m644 $(B)/boot/hvmloader $(DESTDIR)$(libexecdir)/guesthouse
	$(foreach p,$(wildcard docs/man/*.1),install -m644 $(p) $(DESTDIR)$(mandir)/man1 &&) true
	$(foreach p,$(wildcard docs/man/*.5),install -m644 $(p) $(DESTDIR)$(mandir)/man5 &&) true

demo:
	@tools/setup.sh
	@tools/demo.sh

clean:
	rm -rf $(B)
distclean: clean
	rm -f config.mk config.h

.PHONY: all install demo clean distclean
.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
