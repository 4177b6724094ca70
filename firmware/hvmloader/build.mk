# SPDX-License-Identifier: GPL-2.0-or-later
# hvmloader: freestanding 32-bit code, linked to run at 1 MiB.
FW = $(B)/obj/firmware/hvmloader
FW_OBJS = $(patsubst firmware/hvmloader/%,$(FW)/%.o,\
            $(basename $(wildcard firmware/hvmloader/*.c firmware/hvmloader/*.S)))
FW_AML = $(FW)/dsdt.aml $(FW)/ssdt_s3.aml $(FW)/ssdt_s4.aml
# Compilers are not to turn the loops of our string functions into calls of themselves.
FW_CFLAGS = -std=gnu11 -m32 -march=i686 -ffreestanding -fno-pic -fno-stack-protector -mno-sse \
            -mno-mmx -Os -fno-asynchronous-unwind-tables -fno-strict-aliasing \
            -fno-tree-loop-distribute-patterns -nostdlib $(WARN) -Iinclude -I$(FW)

$(FW)/%.o: firmware/hvmloader/%.c config.h
	$(call say,CC32,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(FW_CFLAGS) -MMD -MP -c -o $@ $<
$(FW)/%.o: firmware/hvmloader/%.S config.h
	$(call say,AS32,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(FW_CFLAGS) -MMD -MP -c -o $@ $<
$(FW)/aml.o: $(FW_AML)

$(FW)/dsdt.asl: firmware/hvmloader/dsdt.asl firmware/hvmloader/mkdsdt.sh
	@mkdir -p $(@D) && firmware/hvmloader/mkdsdt.sh $< >$@.tmp && mv $@.tmp $@
$(FW)/%.asl: firmware/hvmloader/%.asl
	@mkdir -p $(@D) && cp $< $@
# 3168: Processor () is old, but so are systems that know nothing else.
$(FW)/%.aml: $(FW)/%.asl
	$(call say,IASL,$<)
	$(Q)iasl -we -vr -vs -vw 3168 -p $(basename $@) $< >$(basename $@).log 2>&1 || \
		{ tail -n 40 $(basename $@).log >&2; rm -f $@; false; }

$(B)/boot/hvmloader: $(FW_OBJS) firmware/hvmloader/link.ld
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) -m32 -nostdlib -static -no-pie -Wl,--build-id=none,-z,noexecstack \
		-Wl,--no-warn-rwx-segments -T firmware/hvmloader/link.ld -o $@ $(FW_OBJS)

$(B)/tests/firmware: $(B)/boot/hvmloader
