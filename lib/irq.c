/* SPDX-License-Identifier: GPL-2.0-or-later */
/* irq.c - interrupt wires; see irq.h. */
#include "lib/irq.h"

#include <stddef.h>

void irq_init(IrqLine *line, void (*set)(void *, unsigned, bool), void *opaque, unsigned n)
{
    *line = (IrqLine){ .set = set, .opaque = opaque, .n = n };
}

void irq_set(IrqLine *line, bool level)
{
    line->level = level;
    if (line->set) {
        line->set(line->opaque, line->n, level);
    }
}
