/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpuid_rules.h - the two languages of a config's cpuid= key, as Xen's tools have them: xend's
 * "LEAF[,SUBLEAF]:REG=BITS" (32 of the characters 0, 1, x, k and s, bit 31 first) and libxl's
 * "host,NAME=VALUE,..." (man xl.cfg).  Pure text; what the bits do is the CPUID policy's business.
 */
#ifndef GH_LIB_CPUID_RULES_H
#define GH_LIB_CPUID_RULES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };
#define CPUID_ANY_SUBLEAF UINT32_MAX

/* One register of one leaf; bits in none of the masks stay what the policy says (x). */
typedef struct CpuidRule {
    uint32_t leaf, subleaf;     /* subleaf: CPUID_ANY_SUBLEAF where none is given */
    uint8_t reg;                /* CPUID_EAX.. */
    uint32_t zero, one;         /* bits to be cleared, to be set */
    uint32_t host;              /* bits to be the host's: k and s */
} CpuidRule;

#define CPUID_RULES_MAX 256     /* of one config */

/*
 * Appends the rules in text to rules (of CpuidRule).  false: *why is a new string that says what
 * is wrong, *at the offset of the wrong piece in text; rules may have grown.
 */
bool cpuid_rules_parse(GArray *rules, const char *text, char **why, unsigned *at);
/* The same for one of the two languages. */
bool cpuid_rules_parse_xend(GArray *rules, const char *text, char **why, unsigned *at);
bool cpuid_rules_parse_libxl(GArray *rules, const char *text, char **why, unsigned *at);
/* A rule in xend's language; a new string. */
char *cpuid_rule_text(const CpuidRule *rule);

#endif
