#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""planted.py [--build DIR] [NAME...] - do the CPU tests see an error?

Copies the sources, plants one small error at a time into the software CPU, builds the CPU tests of
the copy and runs them: they must fail.  Exit status 1 when an error goes unseen, 2 when one can't be
planted (the source has changed: mend the list).  Run by `make check-planted`."""
import argparse
import os
import shutil
import subprocess
import sys
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), '../..'))
SOFT = 'hypervisor/soft/'
PROGRAM = 'build/tests/cpu'

# The processors on which an error shows: Intel's MUL and IMUL make all flags anew, AMD's leave the undefined ones.
AMD = ('AuthenticAMD', 'HygonGenuine')

# name, file, what is there, what is put in its place, tests to be tried first, vendors if not all
FAULTS = [
    ('carry lost by rotates and shifts', 'shift.c',
     '    __asm__(LOAD_FLAGS insn sfx " %%cl, %1\\n',
     '    __asm__(LOAD_FLAGS "clc\\n\\t" insn sfx " %%cl, %1\\n', 'oracle/one_byte*'),
    ('imm8 not sign-extended', 'decode.c',
     'return n == 1 ? (int8_t)v :', 'return n == 1 ? (uint8_t)v :', 'oracle/one_byte*'),
    ('MOVSX of a byte is MOVZX', 'move.c',
     'WIDEN_ALL(movsx8, 8, int8_t)', 'WIDEN_ALL(movsx8, 8, uint8_t)', 'oracle/two_byte*'),
    ('dirty bit not set', 'mmu.c',
     'acc == ACCESS_WRITE ? PTE_A | PTE_D : PTE_A', 'PTE_A', '@(core|sys_long|sys_prot)/*'),
    ('accessed bit not set in upper tables', 'mmu.c',
     'if (!entry_set(c, &levels[k], PTE_A))', 'if (0 && !entry_set(c, &levels[k], PTE_A))',
     '@(core|sys_long|sys_prot)/*'),
    ('INVLPG leaves the entry', 'system.c',
     'if (is_canonical(linear))\n        tlb_flush_page(c, linear);',
     'if (!is_canonical(linear))\n        tlb_flush_page(c, linear);', '@(core|sys_long|sys_prot)/*'),
    ('INVLPG leaves an entry that was pushed out', 'mmu.c',
     '    victims_flush_page(&p->victims, linear);\n', '', 'address_space/*'),
    ('INVLPG leaves entries of a large page that were pushed out', 'mmu.c',
     'if (large)\n        victims_flush_large', 'if (large && !linear)\n        victims_flush_large', 'address_space/*'),
    ('a flush of all leaves entries that were pushed out', 'mmu.c',
     '    victims_flush_all(&p->victims);\n', '', 'address_space/*'),
    ('an entry comes back for a write that it does not allow', 'mmu.c',
     '        (acc == ACCESS_WRITE && !(back.gpa & TLBF_WRITE)))', '        !need)', 'core/*'),
    ('INVLPG forgets a page without memory', 'mmu.c',
     'c->tlb_info[t][at].mtag == (linear & ~0xfffull)', 'false', 'sys_long/*'),
    ('a device that may be read may be written', 'mmu.c',
     '(acc == ACCESS_WRITE && (info->gpa & TLBF_WRITE))', 'acc == ACCESS_WRITE', 'sys_long/*'),
    ('IN at once changes all of RAX', 'jit/light.c',
     'R8(c, 0) = (uint8_t)v;', 'c->gpr[0] = (uint8_t)v;', 'jit/*'),
    ('translated code writes to a device that may only be read', 'jit/light.c',
     '(!write || (info->gpa & TLBF_WRITE))', '(!write || info)', 'device/*'),
    ('translated code asks a device for what goes on in the next page', 'jit/light.c',
     'linear - info->mtag <= 4096 - size', 'linear - info->mtag <= 4095 + 0 * size', 'device/*'),
    ('an access to a device takes the host\'s vector registers', 'jit/ops.c',
     '    vectors = e_jcc(e, CC_NE);', '    vectors = e_jcc(e, CC_P);', 'device/*'),
    ('a debugger does not see an access to a device', 'jit/light.c',
     ' && !page_is_watched(c, linear & ~0xfffull);', ';', 'device/*'),
    ('a breakpoint of the guest is armed unseen', 'debug.c',
     '    count(c, COUNT_POINTS_NEW);\n    block_kill_linear(c, linear);', '    count(c, COUNT_POINTS_NEW);',
     'breakpoint/*'),
    ('code is decoded past a breakpoint of the guest', 'block.c',
     'slot = unlikely(guests) ? points_slot(cpu_priv(c), f->linear + off) : -1;',
     'slot = unlikely(guests && !off) ? points_slot(cpu_priv(c), f->linear) : -1;', 'breakpoint/*'),
    ('a breakpoint of the guest is where the physical page is', 'block.c',
     'points_slot(cpu_priv(c), f->linear + off)', 'points_slot(cpu_priv(c), f->gpa + off)', 'breakpoint/*'),
    ('translated code does not look whether a breakpoint is armed', 'jit/system.c',
     'e8(&x->e, 0);\n    slow_if(x, CC_NE);\n    return true;', 'e8(&x->e, 0);\n    slow_if(x, CC_L);\n    return true;',
     'breakpoint/*'),
    ('a breakpoint that is forgotten leaves its place armed', 'debug.c',
     'memset(g->armed, 0, sizeof g->armed);', '', 'breakpoint/*'),
    ('the breakpoint armed last makes room', 'debug.c',
     'g->clock - g->used[n] > g->clock - g->used[at]', 'g->clock - g->used[n] < g->clock - g->used[at]',
     'breakpoint/*'),
    ('a page keeps its tags when the guest watches it', 'debug.c',
     'tlb_watch_page(c, c->dr[n]);', '', 'breakpoint/*'),
    ('a page that is watched is noted each time', 'mmu.c',
     'if (local && !entry_empty(c, table, at))', 'if (local)', 'breakpoint/*'),
    ('a page that the guest watches gets tags', 'mmu.c',
     'if (unlikely(page_is_watched(c, page)))\n        e->rtag', 'if (unlikely(c->engine->debug_watch))\n        e->rtag',
     'breakpoint/*'),
    ('a repeated move goes by stretches through what is watched', 'mmu.c',
     ' || unlikely(page_is_watched(c, lin)))', ')', 'breakpoint/*'),
    ('translated code goes on behind what the guest watches', 'jit/cache.c',
     'b->valid && likely(!(c->poll & POLL_POINT)))', 'b->valid)', 'breakpoint/*'),
    ('interpreted code goes on behind what the guest watches', 'debug.c',
     '    if (c->stack_floor != UINTPTR_MAX)\n        block_stop(c);', '', 'breakpoint/*'),
    ('what a faulting instruction met is told later', 'run.c',
     'type == EVENT_SOFT_EXCEPTION ? p->watch_held : 0', 'type == EVENT_SOFT_EXCEPTION ? p->watch_held : p->watch_hit',
     'breakpoint/*'),
    ('what MOV SS meets is lost', 'run.c',
     'p->watch_held = p->watch_hit; ', 'p->watch_held = 0; ', 'breakpoint/*'),
    ('what MOV SS meets is lost in INT', 'run.c',
     'type == EVENT_SOFT_INT || type == EVENT_SOFT_EXCEPTION ? p->watch_held : 0', '0', 'breakpoint/*'),
    ('a breakpoint behind MOV SS is taken', 'run.c',
     '!resume && !(c->shadow & SHADOW_SS)) {', '!resume) {', 'breakpoint/*'),
    ('a breakpoint behind STI comes after the interrupt', 'run.c',
     '!(unlikely(c->shadow) && cpu_priv(c)->points.exec_armed) && ', '', 'breakpoint/*'),
    ('where a breakpoint was STI has no shadow', 'run.c',
     '    if (unlikely(b->first == op_point))\n        return step(c);\n', '', 'breakpoint/*'),
    ('I/O breakpoints without CR4.DE', 'debug.c',
     'unlikely(cpu_priv(c)->points.io_armed) && (c->cr4 & CR4_DE);', 'unlikely(cpu_priv(c)->points.io_armed);',
     'breakpoint/*'),
    ('translated ports know of no breakpoint', 'jit/light.c',
     'points_on_ports(c) || cpu_priv(c)->watching', 'cpu_priv(c)->watching', 'breakpoint/*'),
    ('RF does not let the instruction past its breakpoint', 'run.c',
     'p->points.exec_armed && !resume && ', 'p->points.exec_armed && (!resume || 1) && ', 'breakpoint/*'),
    ('REP INS at once goes on when something is due', 'string.c',
     'done < n && !c->poll &&', 'done < n &&', 'port_string/*'),
    ('code that INS reads in is not noticed', 'string.c',
     'if (!out && n)\n            stretch_written(c, gpa, n, i->opsize, down);', '', 'port_string/*'),
    ('the flags are lost by a call of light.c', 'jit/system.c',
     'if (x->vec)\n        return false;\n    flags_leave_host(x);', 'if (x->vec)\n        return false;', 'jit/*'),
    ('what is due behind a port is not looked at', 'jit/xlat.c',
     'kind == EDGE_POLLED || rip <=', 'rip <=', 'jit/*'),
    ('two address spaces share an epoch', 'code_pages.c',
     'l->count ? cpu_priv(c)->code_epoch[user] : 0;', 'cpu_priv(c)->code_epoch[user];', 'address_space/*'),
    ('a global page of code moves for the current address space alone', 'code_pages.c',
     'if (slot_global(c, user, slot))\n        contexts', 'if (slot && 0)\n        contexts', 'address_space/*'),
    ('INVPCID leaves an address space put aside', 'system.c',
     'context_forget(c, (unsigned)d[0]);', '(void)c;', 'address_space/*'),
    ('a flush leaves the address spaces put aside', 'mmu.c',
     'contexts_forget(c);', '', 'address_space/*'),
    ('CR3 without bit 63 keeps what was put aside', 'contexts.c',
     'if (!keep)', 'if (keep && 0)', 'address_space/*'),
    ('an address space comes back with the rights of another table', 'mmu.c',
     'page->gpa, page->page & 0xfff);', 'page->gpa, PAGE_READ);', 'address_space/*'),
    ('INVLPG forgets one page of a large one', 'mmu.c',
     '        if (large)\n            large_clear', '        if (large && 0)\n            large_clear', 'address_space/*'),
    ('INVLPG forgets half of a page of 4 MiB', 'mmu.c',
     'TLBF_HUGE ? 30 : c->cr4 & CR4_PAE ? 21 : 22', 'TLBF_HUGE ? 30 : 20', 'address_space/*'),
    ('code of a large page is remembered after INVLPG', 'mmu.c',
     'code_pages_forget_at(c, linear & ~0x3fffffull, 0x400000);', 'code_pages_forget_at(c, linear, 4096);',
     'address_space/*'),
    ('code of a page of 1 GiB is remembered after INVLPG', 'mmu.c',
     'if (huge_at(p, linear))\n        code', 'if (0)\n        code', 'address_space/*'),
    ('a change of CR4.PGE keeps what was global', 'control.c',
     'CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP', 'CR4_PSE | CR4_PAE | CR4_SMEP', 'address_space/*'),
    ('a change of CR4.SMAP keeps rights', 'control.c',
     'CR4_SMEP | CR4_SMAP | CR4_PCIDE;\n    uint64_t changed', 'CR4_SMEP | CR4_PCIDE;\n    uint64_t changed',
     'address_space/*'),
    ('a change of CR0.WP keeps rights', 'control.c',
     'changed & (CR0_PG | CR0_WP | CR0_PE)', 'changed & (CR0_PG | CR0_PE)', 'address_space/*'),
    ('a fetch is told from SMEP by the page alone', 'mmu.c',
     '|| (c->cr4 & CR4_SMEP)))\n            *err |= PF_I;', '|| 0))\n            *err |= PF_I;', 'address_space/*'),
    ('undefined flags of a product are what the host had', 'muldiv.c',
     '__asm__(CLEAR_FLAGS "imul" sfx', '__asm__("imul" sfx', '@(random|fuzz)/*', AMD),
    ('undefined flags of a quotient differ in translated code', 'muldiv.c',
     '(c)->aflags = FLAG_ZF | FLAG_PF)', '(c)->aflags = FLAG_PF)', '@(random|fuzz)/*'),
    ('a run of a loop goes one turn too far', 'jit/runs.c',
     'set_limit(run, p, turns);', 'set_limit(run, p, turns + 1);', 'runs/*'),
    ('a run does not end where a part of the register wraps', 'jit/runs.c',
     'up = mask - v;', 'up = UINT32_MAX;', 'runs/*'),
    ('a run looks for reading where it writes', 'jit/runs.c',
     'a->write ? e->wtag : e->rtag', 'e->rtag', 'runs/*'),
    ('a run takes an index of any size into a table of a page', 'jit/runs.c',
     'span > 4096 || off > 4096 - span', 'off > 4096u - a->size', 'runs/*'),
    ('a run knows of one addition before an access', 'jit/runs.c',
     'to->before += by;', 'to->before = by;', 'runs/*'),
    ('an aligned access in a run may be anywhere', 'jit/runs.c',
     '(a->align && ((at | unit) & (a->align - 1u)))', '(a->align && unit == 77)', 'runs/*'),
    ('the rest of a group waits for one that is in a run', 'jit/runs.c',
     'gone[g->slot] = true;', 'gone[g->slot] = false;', 'runs/*'),
    ('a shift by as many bits as a register has leaves none in a run', 'jit/runs.c',
     '((unsigned)i->imm & (i->opsize * 8u - 1))', '(unsigned)i->imm', 'runs/*'),
    ('a run in ring 3 looks where ring 0 does', 'jit/runs.c',
     '.table = memory_table(x)', '.table = x->c->tlbs[TLB_SUPER]', 'runs/*'),
    ('a run looks as with AC set', 'jit/runs.c',
     '.table = memory_table(x)', '.table = x->b->mode & MODE_USER ? memory_table(x) : x->c->tlbs[TLB_SUPER_AC]',
     'runs/*'),
    ('a run takes what is longer than 16 bytes for 16', 'jit/runs.c',
     '.size = a.size,', '.size = a.size > 16 ? 16 : a.size,', 'runs/*'),
    ('a turn may begin anew from its middle', 'jit/runs.c',
     '(n + 1 < count && insn_is_branch(&b->insn[n]) && b->insn[n].imm == b->rip)', 'n > count', 'runs/*'),
    ('a limit of 32 bits is not cut', 'jit/runs.c', 'if (p->width == 4)\n', 'if (p->width == 5)\n', 'runs/*'),
    ('a run goes on where the last one was', 'jit/xlat.c',
     '    if (l->turned)\n        return attempt;', '    if (l->turned)\n        return l->start;', 'runs/*'),
    ('nobody is looked for in a run', 'jit/xlat.c',
     '    poll(x, link_again(x));\n    run_turn(x, attempt);\n    e_patch(first',
     '    run_turn(x, attempt);\n    e_patch(first', 'runs/*'),
    ('a run goes on behind the slow way', 'jit/xlat.c',
     'if (x->run.on || x->plan[n].open', 'if (x->plan[n].open', 'runs/*'),
    ('LOCK is lost in translated code', 'jit/ops.c',
     '    if (i->prefix & PFX_LOCK)\n        e8(e, 0xf0);\n    e_op_byte', '    e_op_byte', 'two_cpus/*'),
    ('MFENCE lets a store be late', 'jit/atomic.c',
     'if ((i->modrm >> 3 & 7) == 5) {', 'if ((i->modrm >> 3 & 7) >= 5) {', 'two_cpus/*'),
    ('accessed and dirty bits are stored', 'mmu.c',
     'if (!__atomic_compare_exchange_n(l->slot64, &old, old | bits, false, __ATOMIC_SEQ_CST,\n'
     '                                         __ATOMIC_SEQ_CST))', 'if ((*l->slot64 = old | bits) == 1)', 'two_cpus/*'),
    ('a breakpoint on an instruction pushes RF', 'run.c',
     'return deliver_debug(c, hit);   /* the', 'return c->rflags |= RF_RF, deliver_debug(c, hit);  /* the',
     'breakpoint/*'),
    ('RF is not pushed between the elements of a repetition', 'string.c',
     '(c)->rflags |= RF_RF; return; }', 'return; }', 'breakpoint/*'),
    ('a window outlives its TLB entry', 'mmu.c',
     '    windows_drop(c);\n    e->rtag = e->wtag', '    e->rtag = e->wtag', '@(core|jit|fuzz|sys_long)/*'),
    ('a window outlives its right to write', 'mmu.c',
     '    windows_drop(c);\n    *tag =', '    (void)c;\n    *tag =',
     '@(core|jit|fuzz|sys_long)/*'),
    ('a window outlives a TLB entry that becomes another page\'s', 'mmu.c',
     '    if (!entry_empty(c, table, at))\n        windows_drop(c);\n', '', 'core/*'),
    ('the stack is written by a window for reading', 'jit/windows.c',
     'reads = e_jcc(e, CC_NE);', 'reads = e_jcc(e, CC_O);', '@(core|jit|fuzz)/*'),
    ('a window is wider than its page', 'jit/windows.c',
     'e32(e, 4097 - (1u << k));', 'e32(e, 4098 - (1u << k));', '@(jit|fuzz)/*'),
    ('INVLPG forgets the large page around it', 'mmu.c',
     'p->large[large_slot(p, large_key(lin))] ||', '', 'core/*'),
    ('INVLPG forgets the huge page around it', 'mmu.c',
     'return p->huge_seen && (', 'return p->huge_seen && 0 && (', 'core/*'),
    ('too many large pages are forgotten', 'mmu.c',
     'p->large_many = true;', '', 'core/*'),
    ('an instruction across pages trusts the second one', 'jit/xlat.c',
     '            check_second_page(&x);', '            (void)check_second_page;', 'core/*'),
    ('INVLPG forgets that code was there', 'mmu.c',
     '        code_pages_forget_at(c, linear, 4096);', '        (void)linear;', 'core/*'),
    ('INVLPG of a large page forgets that code was there', 'mmu.c',
     'code_pages_forget_at(c, linear & ~0x3fffffull, 0x400000);',
     'code_pages_forget_at(c, linear, 4096);', 'core/*'),
    ('CR3 forgets that code was there', 'mmu.c',
     'code_pages_forget(c, false);', '', 'core/*'),
    ('translated BT finds the wrong piece of its string', 'jit/memory.c',
     'e8(e, log + 3);', 'e8(e, log + 2);', '@(oracle|random|fuzz)/*'),
    ('a store next to code is not noticed', 'mmu.c',
     'if (bits & mask) {\n            block_invalidate(c, gpa, len);',
     'if (bits & mask & (mask - 1)) {\n            block_invalidate(c, gpa, len);', 'core/*'),
    ('STI opens at once', 'system.c',
     '            c->shadow |= SHADOW_STI;', '            c->shadow |= 0;',
     '@(core|sys_long|sys_prot|sys_real)/*'),
    ('what comes behind STI goes on to other blocks', 'run.c',
     '    c->stack_floor = UINTPTR_MAX;       /* on to no other block */', '    (void)floor;',
     '@(core|sys_long|sys_prot|sys_real|fuzz)/*'),
    ('an interrupt is not looked for again when one was taken', 'run.c',
     '        p->irq_wait = ask_pending(c);\n        if (vector < 0)',
     '        p->irq_wait = 0;\n        if (vector < 0)',
     '@(core|sys_long|sys_prot|sys_real|device|jit)/*'),
    ('a gate to another level leaves the mode as it was', 'mode.c',
     'now->attr != cs->attr || c->cpl != cpl)\n        cpu_update_mode(c);', 'cpl > 3)\n        cpu_update_mode(c);',
     '@(sys_long|sys_prot)/*'),
    ('of more aliases than are listed one keeps its write tag', 'mmu.c',
     '        write_tag_clear(c, tag, *last & (TLB_SIZE - 1));', '        (void)tag;', 'core/*'),
    ('an alias keeps its write tag when code is decoded', 'mmu.c',
     'writers[n] >> 16 == gfn / WRITERS_SETS ?', 'n && writers[n] >> 16 == gfn / WRITERS_SETS ?', 'core/*'),
    ('a segment loaded again is what it was, whatever its descriptor says', 'segments.c',
     '!desc_peek(c, selector, &raw) || raw != k->raw)', '!desc_peek(c, selector, &raw))', 'sys_prot/*'),
    ('a segment loaded again is so in every ring', 'segments.c',
     'k->cpl != c->cpl || ', '', 'sys_prot/*'),
    ('a segment loaded again leaves the mode as it was', 'segments.c',
     '(made.flat != s->flat || ', '(', 'sys_prot/*'),
    ('a segment loaded again may not be written as before', 'segments.c',
     ' || made.writable != s->writable)', ')', 'sys_prot/*'),
    ('SYSENTER leaves the stack segment\'s base', 'mode.c',
     '        cpu_update_base(c, SEG_SS);', '', '@(sys_long|sys_prot|core|fuzz)/*'),
    ('segment limit one byte too far', 'mmu.c',
     ': last > s->limit && !(s->limit', ': last > (uint64_t)s->limit + 1 && !(s->limit',
     '@(sys_prot|sys_real)/*'),
    ('VEX leaves the upper half', 'vex_move.c',
     '    vex_set_low(c, i->reg, vex_source(c, i, &m), size);',
     '    memcpy(&c->fpu.v[i->reg], vex_source(c, i, &m), size);', 'oracle/vex_map_0f_*'),
    ('RF set in the frame of a trap', 'event.c',
     '        e.flags &= ~(uint32_t)RF_RF;', '        e.flags |= RF_RF;',
     '@(core|sys_long|sys_prot|sys_task)/*'),
    ('a user access is told as a supervisor\'s', 'mmu.c',
     '(table == TLB_USER ? PF_U : 0)', '(table == TLB_USER ? 0 : 0)', '@(oracle|sys_long)/*'),
    ('SCAS and CMPS miss the last of sixteen bytes', 'string.c',
     '_mm_movemask_epi8(e) ^ ends) & 0xffff;', '_mm_movemask_epi8(e) ^ ends) & 0x7fff;',
     'core/*'),
    ('MXCSR loaded while it is live is not the host\'s', 'simd.h',
     '    _mm_setcsr(mxcsr_is_live(c) ? c->fpu.mxcsr : MXCSR_DEFAULT);',
     '    _mm_setcsr(mxcsr_is_live(c) ? c->fpu.mxcsr & 0x1fff : MXCSR_DEFAULT);', '@(oracle|random|jit)/*'),
    ('the host keeps the guest\'s MXCSR', 'sse_fp.c',
     '    _mm_setcsr(MXCSR_DEFAULT);\n    __asm__', '    __asm__', 'jit/*'),
    ('translated x87 does not wait for what is pending', 'jit/x87.c',
     '    if (!x->b->x87_checks) {\n        return;', '    if (x->b) {\n        return;', '@(jit|random)/*'),
    ('translated x87 masks what the guest has unmasked', 'jit/x87.c',
     '{ .cw = f->cw, .sw', '{ .cw = f->cw | CW_MASKS, .sw', '@(jit|random)/*'),
    ('a store of 32 bytes looks for the right to read', 'jit/vex.c',
     'size : 0, v.store };', 'size : 0, v.store && size < 32 };', 'jit/*'),
    ('code that looks at no x87 exception runs with one unmasked', 'jit/x87.c',
     'c->x87_quiet = x87_masked(c);', 'c->x87_quiet = 1;', 'random/*'),
    ('translated FLDCW leaves what was masked', 'jit/x87.c',
     'opd_abs(&x->c->x87_quiet), true);     /* sete */', 'opd_abs(&x->c->x87_address), true);', 'random/*'),
    ('translated x87 forgets the data pointer\'s segment', 'jit/x87.c',
     'copy16(x, &c->fpu.fds, &c->seg[i->seg].selector);', '', '@(oracle|random)/*'),
    ('translated flags made again from a register that has changed', 'jit/flags.c',
     '    x->flags &= ~(unsigned)FLAGS_AGAIN;\n    if', '    if', 'random/*'),
    ('a group of accesses may end in the next page', 'jit/memory.c',
     '(int32_t)(4096 - g->span)', '(int32_t)4096', 'groups/*'),
    ('what a group keeps is taken from a register that has lost it', 'jit/groups.c',
     'access_of(x, i, &a) || !keeps_scratch(x, n))', 'access_of(x, i, &a))', 'groups/*'),
    ('a group with a write is looked up as one of reads', 'jit/memory.c',
     '(g->write ? TAG_WRITE : TAG_READ)', 'TAG_READ', 'groups/*'),
    ('a group forgets that some of it must be aligned', 'jit/memory.c',
     '    if (!g->align)\n        return;', '    if (g->span)\n        return;', 'groups/*'),
    ('vectors of a group need not be at multiples from each other', 'jit/groups.c',
     '!((g->aligned - one->aligned) & (g->align - 1))', 'true', 'groups/*'),
    ('an index counts for nothing in a group', 'jit/groups.c',
     ' && g->index == one->index', '', 'groups/*'),
    ('vector registers are loaded over what a group keeps', 'jit/groups.c',
     'sse_known(i)) && !to->vector)', 'sse_known(i)) && !to->vector && n > BLOCK_INSNS)', 'groups/*'),
    ('an SSE instruction writes no register', 'jit/sse.c',
     '        return (uint16_t)(1u << i->reg);\n    return s', '        return 0;\n    return s',
     'groups/*'),
    ('a return trusts its frame', 'jit/returns.c',
     'other = e_jcc(e, CC_NE);', 'other = e_jcc(e, CC_S);', 'core/*'),
    ('a return lands whatever the mode is', 'jit/xlat.c',
     'if (kind == EDGE_LANDING) {         /*', 'if (0) {         /*', 'core/*'),
    ('a forgotten page of code begins no epoch', 'code_pages.c',
     '        if (changed)\n            epoch_begin(c, user);', '        (void)changed;', 'core/*'),
    ('a new address space begins no epoch', 'code_pages.c',
     '    if (l->count)\n        epoch_begin(c, user);', '', 'core/*'),
    ('a page of code in the place of another begins no epoch', 'code_pages.c',
     '        epoch_begin(c, user);\n    }\n    slot_put', '    }\n    slot_put', 'core/*'),
    ('the page of high code is never found to be the same', 'block.c',
     'b->page_key = code_page_key(block_linear(b, b->rip), gpa);',
     'b->page_key = code_page_key((uint32_t)block_linear(b, b->rip), gpa);', 'core/*'),
    ('landings don\'t look whether anybody wants them', 'jit/xlat.c',
     'SCRATCH_A, opd_abs(&c->jump_tag));           /* unless', 'SCRATCH_A, opd_reg(SCRATCH_A));           /* unless',
     'device/*'),
    ('branches backward don\'t look whether anybody wants them', 'jit/xlat.c',
     '    poll(x, l);\n    x->polled = ', '    x->polled = ', 'core/*'),
    ('flags are old where a branch backward has looked before its comparison', 'jit/xlat.c',
     '    flags_leave_host(x);\n    l = link_new(x, rip_cut(', '    x->flags = FLAGS_MEM;\n    l = link_new(x, rip_cut(',
     'core/*'),
    ('indirect jumps don\'t look whether anybody wants them', 'jit/xlat.c',
     'RAX, opd_abs(&c->jump_tag));                 /* unless', 'RAX, opd_reg(RAX));                 /* unless',
     '@(core|device|jit|fuzz)/*'),
    ('a jump found good while somebody wanted the vCPU is so always', 'jit/xlat.c',
     '    e_op(e, 8, 0, 0, 0xc1, 4, opd_reg(r));                              /* shl */\n    e8(e, 8);\n'
     '    e_op(e, 8, 0, 0, 0xc1, 5, opd_reg(r));                              /* shr */\n    e8(e, 8);\n', '',
     '@(core|device|jit|fuzz)/*'),
    ('a jump cache entry has one place', 'block.c',
     '        c->jumps[jump_hash(c->rip) ^ 1] = *j;', '        (void)j;', 'core/*'),
    ('killed code stays at an entry\'s second place', 'jit/cache.c',
     'for (unsigned n = 0; n < 2; n++)\n        if (jump_block(&c->jumps[place',
     'for (unsigned n = 0; n < 1; n++)\n        if (jump_block(&c->jumps[place', 'core/*'),
    ('a jump found good again is so in any mode', 'jit/xlat.c',
     'opd_abs(&c->jump_tag));\n    other = e_jcc(e, CC_NE);\n    e_load32(e, RAX,',
     'opd_abs(&c->jump_tag));\n    other = e_jcc(e, CC_O);\n    e_load32(e, RAX,', 'core/*'),
    ('a landing is found good again whatever its page is', 'jit/xlat.c',
     'SCRATCH_A, opd_mem(SCRATCH_B, offsetof(JitLink, page)));', 'SCRATCH_A, opd_reg(SCRATCH_A));',
     'core/*'),
    ('a loop\'s further turns start with stale flags', 'jit/xlat.c',
     'x->again = x->loop.again;', 'x->again = x->loop.again, x->again.op[0].reg ^= 1;', 'core/*'),
    ('translated accesses may cross the page', 'jit/memory.c',
     'opd_reg(SCRATCH_A), (int32_t)(4096 - size));', 'opd_reg(SCRATCH_A), (int32_t)4096);',
     '@(core|sys_long|sys_prot|oracle|random)/*'),
    ('translated 16-bit accesses may cross the limit', 'jit/memory.c',
     '(int32_t)(0x10000 - size));', '(int32_t)0x10000);', '@(core|sys_real)/*'),
    ('blocks stay when their piece is emptied', 'jit/pieces.c',
     '        if (b->valid)\n            block_evict(c, b);', '        (void)b->valid;', '@(fuzz|core|code_memory)/*'),
    ('young blocks stay when their region is emptied', 'block.c',
     '        if (b->valid)\n            block_evict(c, b);', '        (void)block_evict;', '@(fuzz|core|code_memory)/*'),
    ('the interpreter links blocks of two regions', 'block.c',
     'jump_block(e)->gpa2 == ~0ull &&\n        same_region(cpu_priv(c)->cache, c->block, jump_block(e)))',
     'jump_block(e)->gpa2 == ~0ull &&\n        (same_region(cpu_priv(c)->cache, c->block, jump_block(e)) || 1))',
     '@(fuzz|core|code_memory)/*'),
    ('a page is given back while a block of it moves', 'block.c',
     'if (p->blocks || p->pins)', 'if (p->blocks)', '@(fuzz|core|code_memory)/*'),
    ('the jump cache keeps a block that is gone', 'jit/cache.c',
     'if (jump_block(&c->jumps[place ^ n]) == b)', 'if (0)', '@(fuzz|core|code_memory)/*'),
    ('a block that has moved is run where it was', 'jit/cache.c',
     'entry.block = (uint32_t)(uintptr_t)to;', '', '@(fuzz|core|code_memory)/*'),
    ('a list of a page is broken where its first block leaves', 'block.c',
     '*(next->gpa >> 12 == gfn ? &next->page_at : &next->page_at2) = at;', '{ }', '@(fuzz|core|code_memory)/*'),
    ('a page without blocks stays counted', 'block.c',
     '    page_uncount(c->engine, p->gfn);\n}\n\nstatic void page_unpin', '}\n\nstatic void page_unpin', 'code_memory/*'),
    ('granules stay when the blocks are gone', 'block.c',
     'if (p && p->stale)', 'if (0)', '@(core|sys_long|code_memory|port_string)/*'),
    ('runs are forgotten when a young block has to go', 'block.c',
     'if (!b->code_mem && !jit_is_full(c))', 'if (0)', 'code_memory/*'),
    ('a vCPU takes what the others are sure of', 'jit/pieces.c',
     'l->free_count <= sure &&', 'l->free_count <= 0 * sure &&', 'code_memory/*'),
    ('a vCPU that runs has its piece taken', 'soft.c',
     '    if (p->rests)\n        return true;', '    return true;', 'code_memory/*'),
    ('a vCPU is asked for a piece and gives all', 'jit/pieces.c',
     '    p = oldest_out(j);\n    piece_empty(c, p);\n    pthread_mutex_lock(&e->lock);\n    give(e, p);\n    pthread',
     '    p = oldest_out(j);\n    piece_empty(c, p);\n    pthread_mutex_lock(&e->lock);\n'
     '    give(e, p);\n    while (j->oldest)\n        give(e, oldest_out(j));\n    pthread', 'code_memory/*'),
    ('a piece is overfull', 'jit/xlat.c',
     'x->j->end - x->e.p >=', 'x->j->end + (1 << 20) - x->e.p >=', '@(code_memory|jit)/*'),
    ('translated code jumps to killed code', 'jit/cache.c',
     '    l->page = CODE_PAGE_NEVER;\n    e_patch(l->site, l->stub);', '    l->page = CODE_PAGE_NEVER;', 'core/*'),
    ('translated stores through CS in flat code', 'jit/memory.c',
     'if (seg == SEG_CS && !(x->b->mode & MODE_64))', 'if (0)', '@(jit|fuzz)/*'),
    ('translated VZEROALL clears all sixteen in 32-bit mode', 'jit/vex.c',
     '    if (x->in_64) {\n        e_vex(e, i, 0, 0', '    if (e) {\n        e_vex(e, i, 0, 0', '@(jit|fuzz)/*'),
    ('translated 16-bit stack pointer loses its upper half', 'jit/branch.c',
     'e_op(&x->e, 2, 0, 0, 0x8b, GUEST_RSP, opd_reg(SCRATCH_B));',
     'e_op(&x->e, 4, 0, 0, 0x8b, GUEST_RSP, opd_reg(SCRATCH_B));', 'fuzz/*'),
    ('translated LOOP counts with ECX in 16-bit code', 'jit/branch.c',
     'e_alu_imm(e, 2, 5, opd_reg(RCX), 1);', 'e_alu_imm(e, 4, 5, opd_reg(RCX), 1);', 'fuzz/*'),
    ('translated 16-bit addresses don\'t wrap', 'jit/memory.c',
     '    if (i->asize == 2)\n        e_op(&x->e, 4', '    if (i->asize == 1)\n        e_op(&x->e, 4', 'fuzz/*'),
    ('x87 pointers are old after a fault in translated code', 'jit/xlat.c',
     '        x87_store_pending(x, x->x87_before[n]);\n        x->flags = x->done', '        x->flags = x->done',
     '@(random|fuzz)/*'),
    ('flags are old where translated code is left to look', 'jit/xlat.c',
     '        x->flags = x->edges[k].poll_flags;', '        x->flags = FLAGS_MEM;', '@(random|fuzz)/*'),
]


def copy_tree(build, work):
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    for name in ('Makefile', 'config.mk', 'config.h', 'configure'):
        if os.path.exists(os.path.join(TOP, name)):
            shutil.copy2(os.path.join(TOP, name), work)
    for name in ('hypervisor', 'lib', 'include', 'tests', 'hw', 'dm', 'block', 'net', 'ui', 'tools',
                 'firmware', 'demo', 'docs'):
        shutil.copytree(os.path.join(TOP, name), os.path.join(work, name), symlinks=True)
    # What is built already, with its times, so that only the changed file is compiled.
    for name in ('obj/hypervisor/soft', 'obj/lib', 'obj/tests/cpu', 'lib', 'tests'):
        source = os.path.join(build, name)
        if os.path.isdir(source):
            shutil.copytree(source, os.path.join(work, 'build', name), symlinks=True)
    for name in ('obj/tests/fake_machine.o', 'obj/tests/fake_machine.d'):
        if os.path.exists(os.path.join(build, name)):
            shutil.copy2(os.path.join(build, name), os.path.join(work, 'build', name))


def make(work):
    p = subprocess.run(['make', '--no-print-directory', 'B=build', PROGRAM], cwd=work,
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, errors='replace')
    return p.returncode == 0, p.stdout + p.stderr


def run(work, *arguments):
    """True when the tests pass."""
    try:
        return subprocess.run([os.path.join(work, PROGRAM), '-j2', '--fail-fast', *arguments],
                              cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=600).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def caught(work, first):
    return not run(work, '--filter', first) or not run(work)


def host_vendor():
    with open('/proc/cpuinfo') as f:
        for line in f:
            if line.startswith('vendor_id'):
                return line.split(':')[1].strip()
    return ''


def plant(path, old, new):
    with open(path) as f:
        text = f.read()
    if text.count(old) != 1:
        return None
    with open(path, 'w') as f:
        f.write(text.replace(old, new))
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('--build', default=os.path.join(TOP, 'build'), help='build directory')
    parser.add_argument('names', nargs='*', help='parts of names of errors; default: all')
    a = parser.parse_args()
    work = os.path.join(os.path.abspath(a.build), 'planted')
    copy_tree(os.path.abspath(a.build), work)
    ok, text = make(work)
    if not ok:
        print(text[-3000:])
        sys.exit(2)
    if not run(work):
        print('the tests fail without any error planted')
        sys.exit(2)
    unseen = impossible = elsewhere = 0
    vendor = host_vendor()
    chosen = [f for f in FAULTS if not a.names or any(n in f[0] for n in a.names)]
    for name, file, old, new, first, *vendors in chosen:
        path = os.path.join(work, SOFT, file)
        since = time.monotonic()
        before = plant(path, old, new)
        if before is None:
            print(f'CAN\'T PLANT  {name}: {SOFT}{file} has changed', flush=True)
            impossible += 1
            continue
        ok, text = make(work)
        if ok and vendors and vendor not in vendors[0]:     # that it builds is known, at least
            print(f'not here     {name}: shows on {" and ".join(vendors[0])} alone', flush=True)
            elsewhere += 1
        elif not ok:
            print(f'CAN\'T BUILD  {name}\n{text[-2000:]}', flush=True)
            impossible += 1
        elif caught(work, first):
            print(f'caught       {name} ({time.monotonic() - since:.0f} s)', flush=True)
        else:
            print(f'UNSEEN       {name}', flush=True)
            unseen += 1
        with open(path, 'w') as f:
            f.write(before)
    print(f'{len(chosen) - unseen - impossible - elsewhere} of {len(chosen) - elsewhere} planted errors caught')
    shutil.rmtree(work, ignore_errors=True)
    sys.exit(2 if impossible else 1 if unseen else 0)


if __name__ == "__main__":
    main()
