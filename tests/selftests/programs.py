# SPDX-License-Identifier: GPL-2.0-or-later
"""What run.py runs in the guests: each test has a name, a limit in seconds and a command.

EXPECTED has what does not end with status 0 on a machine that is in order, with the reason; the same
programs on real processors and Debian's kernel say the same."""

BOTH = 'single_step_syscall sysret_ss_attrs syscall_nt check_initial_reg_state sigreturn iopl ioperm ' \
       'mov_ss_trap sigtrap_loop syscall_arg_fault fsgsbase_restore sigaltstack test_mremap_vdso test_vsyscall ' \
       'ldt_gdt ptrace_syscall breakpoint_test sas vdso_test_gettimeofday vdso_test_getcpu vdso_test_abi ' \
       'vdso_test_clock_getres vdso_test_correctness rseq_basic_test rseq_param_test ' \
       'membarrier_test_single_thread membarrier_test_multi_thread get_syscall_info peeksiginfo ' \
       'posix_timers nanosleep threadtest futex_wait_wouldblock ' \
       'futex_requeue_pi futex_requeue_pi_signal_restart futex_requeue_pi_mismatched_ops ' \
       'futex_wait_uninitialized_heap futex_wait_private_mapped_file futex_wait futex_requeue ' \
       'mremap_dontunmap map_fixed_noreplace map_populate mlock2-tests madv_populate soft-dirty'.split()
ONLY32 = 'entry_from_vm86 test_syscall_vdso unwind_vdso test_FCMOV test_FCOMI test_FISTTP vdso_restorer'.split()
ONLY64 = 'fsgsbase sysret_rip syscall_numbering corrupt_xstate_header amx sud_test futex_wait_timeout'.split()
# They expect that another thread has run within 10 ms, which on a busy host it may not: three tries.
TIMED = r'(futex_wait|futex_requeue|posix_timers|nanosleep)_(64|32)'
ARGUMENTS = {'rseq_param_test': '-t 4 -r 2000 -T s', 'threadtest': '-n 4 -t 3'}
LIMITS = {'posix_timers': 60, 'threadtest': 60, 'breakpoint_test': 60}

# Arithmetic of all kinds, with its outcome verified by stress-ng itself.
COMPUTE = 'af-alg bsearch crypt fp fp-error funccall funcret getrandom goto branch hash heapsort hsearch jpeg judy ' \
          'list longjmp lsearch matrix matrix-3d mergesort nop opcode prefetch qsort radixsort rdrand regs rotate ' \
          'shellsort skiplist sparsematrix str stream tree tsc tsearch vecfp vecmath vecshuf vecwide wcs x86cpuid ' \
          'zlib memcpy memthrash memrate randlist far-branch flushcache icache misaligned'.split()
# Ways into the kernel and its memory management.
SYSTEM = 'context ioport priv-instr x86syscall usersyscall vdso bad-altstack sigsegv sigfpe sigtrap sigq sigrt ' \
         'sigsuspend sigabrt sigchld signest sigpending sigpipe sigfd sigio signal fault mmap mremap mmapaddr ' \
         'mmapfixed mmapfork mmaphuge mmapmany mprotect msync munmap madvise malloc mincore mlock memfd pagemove ' \
         'pageswap physpage rmap secretmem userfaultfd vm vm-addr vm-rw vm-segv vm-splice bigheap brk stack ' \
         'stackmmap shm sysbadaddr fork vfork clone exec forkheavy spawn session daemon exit-group ptrace kcmp ' \
         'pkey prctl personality rseq set schedpolicy timer timerfd hrtimers itimer nanosleep clock cyclic sleep ' \
         'uprobe waitcpu full poll pipe ring-pipe eventfd'.split()
# Processors that work on the same memory.
SHARED = 'atomic cacheline cache l1cache lockbus mcontend membarrier tlb-shootdown dekker peterson futex mutex sem ' \
         'switch yield pthread affinity syncload syscall'.split()
# Not the host's L3, which may be larger than the guest's memory.
STRESS_ARGUMENTS = {'stream': '--stream-l3-size 1M', 'prefetch': '--prefetch-l3-size 1M', 'cache': '--cache-level 2'}


def table(guest, vcpus, seconds):
    """(name, limit, command) of each test; seconds: of each of stress-ng's."""
    found = []
    for bits, extra in ((64, ONLY64), (32, ONLY32)):
        if guest == 'self64' or bits == 32:
            for name in sorted(BOTH + extra):
                command = f'/t/{name}_{bits} {ARGUMENTS.get(name, "")}'.strip()
                found.append((f'{name}_{bits}', LIMITS.get(name, 30), command))
    found += [(f'module.{name}', 120, f'insmod-test {name}') for name in ('test_user_copy', 'test_static_keys', 'test_bpf')]
    if guest == 'self64':
        for group, names in ('compute', COMPUTE), ('system', SYSTEM), ('shared', SHARED):
            found += [(f'{group}.{name}', 60, f'stress-ng --verify -t {seconds} --{name} {vcpus} '
                       + STRESS_ARGUMENTS.get(name, '')) for name in names]
        found.append(('cpu.methods', 400, f'stress-ng --verify -t 360 --cpu-ops {160 * vcpus} --cpu {vcpus}'))
    return found


EXPECTED = {'amx_64': (1, 'the processor has no AMX')}
