/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.h - for the files that check a domain's config, by groups of keys; the rest of the program sees
 * domain_config_check() (domain_config.h).  Each reports to messages and goes on.
 */
#ifndef GH_COMMON_CHECK_H
#define GH_COMMON_CHECK_H

#include "tools/common/domain_config.h"

typedef struct Check {
    const Config *config;
    const HostFacts *facts;
    Messages *messages;
    DomainConfig *d;            /* filled in */
} Check;

#define ERROR(c, pos, ...) message_add((c)->messages, MESSAGE_ERROR, pos, __VA_ARGS__)
#define WARN(c, pos, ...) message_add((c)->messages, MESSAGE_WARNING, pos, __VA_ARGS__)

/* The value of a key; NULL: not there, or None. */
Value *check_value(const Check *c, const char *key);
SourcePos check_position(const Check *c, const char *key);
/* Each gives missing for a key that is not there, and for a wrong one after an error. */
int64_t check_integer(Check *c, const char *key, int64_t missing, int64_t min, int64_t max, const char *unit);
bool check_truth(Check *c, const char *key, bool missing);
const char *check_string(Check *c, const char *key, const char *missing);
Action check_action(Check *c, const char *key, Action missing, unsigned count);    /* the first count */

void check_keys(Check *c);
void check_machine(Check *c);
void check_display(Check *c);
void check_serial(Check *c);
void check_parallel(Check *c);
void check_sound(Check *c);
void check_monitor(Check *c);
void check_usb(Check *c);
void check_disks(Check *c);
void check_disk_errors(Check *c);
void check_vifs(Check *c);

#endif
