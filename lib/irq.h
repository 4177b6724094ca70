/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * irq.h - one interrupt wire.  A device holds a pointer to its line and knows nothing of what is
 * at the other end.  Levels are absolute: setting the same level twice is harmless.
 */
#ifndef GH_IRQ_H
#define GH_IRQ_H

#include <stdbool.h>

typedef struct IrqLine {
    void (*set)(void *opaque, unsigned n, bool level);
    void *opaque;
    unsigned n;
    bool level;             /* last level set */
} IrqLine;

void irq_init(IrqLine *line, void (*set)(void *, unsigned, bool), void *opaque, unsigned n);
void irq_set(IrqLine *line, bool level);

#endif
