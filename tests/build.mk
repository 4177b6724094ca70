# SPDX-License-Identifier: GPL-2.0-or-later
# Tests: every tests/DIR/*.c is a part of one Criterion program, build/tests/DIR.
LIBS_TEST := $(shell pkg-config --libs criterion)
TEST_DIRS = lib dm hw block net ui cpu hvm hypervisor tools firmware
test_DIRS_lib = lib
test_DIRS_dm = dm hw hw/usb usb block net ui lib
test_DIRS_hw = hw hw/usb usb block net ui lib
test_DIRS_block = block lib
test_DIRS_net = net net/user net/switch lib
test_DIRS_ui = ui ui/common ui/sound lib
test_DIRS_cpu = hypervisor/soft hypervisor/soft/jit lib
test_DIRS_hypervisor = hypervisor hypervisor/kvm hypervisor/soft hypervisor/soft/jit hypervisor/hvm lib
test_DIRS_hvm = hypervisor/hvm hypervisor/kvm hypervisor/soft hypervisor/soft/jit lib
test_DIRS_tools = tools/xend tools/xm tools/common block lib
test_DIRS_firmware = lib
test_LIBS_lib := $(shell pkg-config --libs zlib)
test_LIBS_hw = $(LIBS_BLOCK) $(LIBS_SOUND)
test_LIBS_dm = $(LIBS_BLOCK) $(LIBS_SOUND)
test_LIBS_net := $(shell pkg-config --libs slirp)
test_LIBS_block = $(LIBS_BLOCK)
test_LIBS_ui := $(shell pkg-config --libs pixman-1 xkbcommon)
test_srcs = $(wildcard tests/$(1)/*.c) $(wildcard tests/$(1)/*.S)
TESTS = $(foreach d,$(TEST_DIRS),$(if $(call test_srcs,$(d)),$(B)/tests/$(d)))

define test_program
$(B)/tests/$(1): $(patsubst %,$(B)/obj/%.o,$(basename $(call test_srcs,$(1)))) \
		$(B)/obj/tests/fake_machine.o $(foreach d,$(test_DIRS_$(1)),$(call libname,$(d)))
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(CC) $(SAN) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group \
		$(test_LIBS_$(1)) $(LIBS_TEST) $(LIBS_BASE)
endef
$(foreach d,$(TEST_DIRS),$(eval $(call test_program,$(d))))

# --- checks: set-up, build and tests in one; check.sh adds up what all of them count --------------
check:
	@tools/setup.sh check
	@tests/check.sh all
check-unit:
	@tests/check.sh unit
check-system:
	@tests/check.sh system
lint:
	@tests/check.sh lint
asan:
	@tests/check.sh asan
# Lines of each device that the unit tests run; fails below 85 % of a file.
cover:
	@tests/check.sh cover
# 10^8 instructions of random programs, counted, translated and interpreted; five times the usual trials.
check-cpu: $(B)/tests/cpu
	GH_RANDOM_INSNS=100000000 GH_RANDOM_ROUNDS=10 GH_FUZZ_ROUNDS=100 GH_ORACLE_ROUNDS=10 $< --timeout 7200

# Do the CPU tests see errors?  Minutes.
check-planted: $(B)/tests/cpu
	@tests/cpu/planted.py --build $(B)
# The KVM engine on Debian's kvm_amd, inside QEMU's TCG; minutes.
check-kvm-nested: all $(B)/tests/hvm $(B)/tests/hypervisor
	@tests/nested/run.sh
# The kernel's own selftests and stress-ng in guests; a quarter of an hour, and a download of 140 MB.
check-selftests: all
	@tools/setup.sh selftests
	@tests/selftests/mkselftests.sh $(B)/selftests $(B)/demo $(B)/media
	@tests/selftests/run.py

# What check.sh builds: all programs, and the Criterion programs of directories that hold tests.
check-build: all $(TESTS)
list-tests:
	@echo $(TESTS)
.PHONY: check-cpu check-kvm-nested check-selftests
.PHONY: check check-planted check-unit check-system lint asan cover check-build list-tests
