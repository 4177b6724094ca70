/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store.c - the xenstore's tree, permissions, quotas, transactions and watches.  A transaction
 * records what it looked at and what it changed; the commit checks the former against the
 * generations of the current tree and plays the latter.
 */
#include "tools/xend/store.h"

#include <errno.h>
#include <string.h>

typedef struct Node {
    int ref;
    char *name;
    GBytes *value;
    StorePerm *perms;
    unsigned nperms;
    uint64_t gen;               /* of the last change of value, permissions or list of children */
    GPtrArray *children;        /* Node*, sorted by name */
} Node;

typedef struct Watch {
    char *path, *reported, *token;
} Watch;

enum { OP_WRITE, OP_MKDIR, OP_RM, OP_PERMS };

typedef struct Change {
    int op;
    char *path;
    GBytes *value;
    StorePerm *perms;
    unsigned nperms;
} Change;

struct StoreTransaction {
    Node *root, *base;          /* own view; the tree at the start */
    GHashTable *seen;           /* path -> set: looked at or changed */
    GPtrArray *changes;
};

struct StoreClient {
    Store *store;
    uint32_t domid, target;
    StoreEvent event;
    void *opaque;
    GPtrArray *watches;
    GHashTable *transactions;   /* id -> StoreTransaction */
    uint32_t next_tx;
};

struct Store {
    Node *root;
    uint64_t gen;
    GPtrArray *clients;
    GHashTable *owned;          /* domid -> number of nodes */
    StoreQuota quota;
    StoreClient *self;
};

/* --- nodes ----------------------------------------------------------------------------------- */

static void node_unref(gpointer p)
{
    Node *n = p;

    if (n && --n->ref == 0) {
        g_free(n->name);
        g_bytes_unref(n->value);
        g_free(n->perms);
        g_ptr_array_free(n->children, TRUE);
        g_free(n);
    }
}

static Node *node_ref(Node *n)
{
    n->ref++;
    return n;
}

static Node *node_new(const char *name, const StorePerm *perms, unsigned nperms)
{
    Node *n = g_new0(Node, 1);

    n->ref = 1;
    n->name = g_strdup(name);
    n->value = g_bytes_new(NULL, 0);
    n->perms = g_memdup2(perms, nperms * sizeof *perms);
    n->nperms = nperms;
    n->children = g_ptr_array_new_with_free_func(node_unref);
    return n;
}

/* Makes *slot private to its holder, so that it may be changed. */
static Node *node_own(Node **slot)
{
    Node *old = *slot, *n;

    if (old->ref == 1) {
        return old;
    }
    n = node_new(old->name, old->perms, old->nperms);
    g_bytes_unref(n->value);
    n->value = g_bytes_ref(old->value);
    n->gen = old->gen;
    for (unsigned i = 0; i < old->children->len; i++) {
        g_ptr_array_add(n->children, node_ref(g_ptr_array_index(old->children, i)));
    }
    node_unref(old);
    *slot = n;
    return n;
}

/* Index of the child, or of where it belongs. */
static unsigned child_index(const Node *n, const char *name, bool *found)
{
    unsigned low = 0, high = n->children->len;

    while (low < high) {
        unsigned mid = (low + high) / 2;
        int order = strcmp(((Node *)g_ptr_array_index(n->children, mid))->name, name);

        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *found = false;
    return low;
}

static Node *child(const Node *n, const char *name)
{
    bool found;
    unsigned i = child_index(n, name, &found);

    return found ? g_ptr_array_index(n->children, i) : NULL;
}

static GStrv split(const char *path)
{
    return g_strsplit(path[1] ? path + 1 : "", "/", -1);
}

static Node *lookup(Node *root, const char *path)
{
    g_auto(GStrv) parts = split(path);

    for (char **p = parts; *p && root; p++) {
        root = child(root, *p);
    }
    return root;
}

/* The deepest node of path that exists. */
static Node *nearest(Node *root, const char *path, unsigned *missing)
{
    g_auto(GStrv) parts = split(path);

    *missing = 0;
    for (char **p = parts; *p; p++) {
        Node *next = child(root, *p);

        if (!next) {
            *missing = g_strv_length(p);
            break;
        }
        root = next;
    }
    return root;
}

bool store_path_valid(const char *path)
{
    size_t len = strlen(path);
    unsigned depth = 0;

    if (*path != '/' || len > STORE_MAX_PATH || (len > 1 && path[len - 1] == '/')) {
        return false;
    }
    for (const char *p = path; *p; p++) {
        if (*p == '/') {
            if (p[1] == '/' || ++depth > STORE_MAX_DEPTH) {
                return false;
            }
        } else if (!g_ascii_isalnum(*p) && !strchr("-_@:.+", *p)) {
            return false;
        }
    }
    return true;
}

/* --- rights ---------------------------------------------------------------------------------- */

enum { WANT_READ = 1, WANT_WRITE = 2 };

static bool acts_for(const StoreClient *c, uint32_t domid)
{
    return c->domid == domid || c->target == domid;
}

static unsigned letter_bits(char letter)
{
    return letter == 'r' ? WANT_READ : letter == 'w' ? WANT_WRITE
           : letter == 'b' ? WANT_READ | WANT_WRITE : 0;
}

static bool allowed(const StoreClient *c, const Node *n, unsigned want)
{
    if (c->domid == 0 || acts_for(c, n->perms[0].domid)) {
        return true;
    }
    for (unsigned i = 1; i < n->nperms; i++) {
        if (acts_for(c, n->perms[i].domid)) {
            return (letter_bits(n->perms[i].letter) & want) == want;
        }
    }
    return (letter_bits(n->perms[0].letter) & want) == want;
}

static bool is_owner(const StoreClient *c, const Node *n)
{
    return c->domid == 0 || acts_for(c, n->perms[0].domid);
}

static unsigned account(const Store *s, uint32_t domid)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(s->owned, GUINT_TO_POINTER(domid)));
}

static void charge(Store *s, uint32_t domid, int n)
{
    int now = (int)account(s, domid) + n;

    g_hash_table_insert(s->owned, GUINT_TO_POINTER(domid), GUINT_TO_POINTER(MAX(now, 0)));
}

unsigned store_nodes_of(const Store *s, uint32_t domid)
{
    return account(s, domid);
}

static void uncharge_tree(Store *s, const Node *n)
{
    charge(s, n->perms[0].domid, -1);
    for (unsigned i = 0; i < n->children->len; i++) {
        uncharge_tree(s, g_ptr_array_index(n->children, i));
    }
}

/* --- watches --------------------------------------------------------------------------------- */

static void watch_free(gpointer p)
{
    Watch *w = p;

    g_free(w->path);
    g_free(w->reported);
    g_free(w->token);
    g_free(w);
}

/* below: prefix is path or an ancestor of it. */
static bool below(const char *prefix, const char *path)
{
    size_t n = strlen(prefix);

    if (!strcmp(prefix, "/")) {
        return *path == '/';
    }
    return !strncmp(prefix, path, n) && (path[n] == 0 || path[n] == '/');
}

static bool may_see(const StoreClient *c, const char *path)
{
    unsigned missing;
    Node *n;

    if (c->domid == 0 || *path == '@') {
        return true;
    }
    n = nearest(c->store->root, path, &missing);
    return allowed(c, n, WANT_READ);
}

/* removed: everything below path went too. */
static void fire(Store *s, const char *path, bool removed)
{
    for (unsigned i = 0; i < s->clients->len; i++) {
        StoreClient *c = g_ptr_array_index(s->clients, i);

        for (unsigned j = 0; j < c->watches->len; j++) {
            Watch *w = g_ptr_array_index(c->watches, j);

            if (below(w->path, path) && may_see(c, path)) {
                /* The event's path has the form in which the watch was set. */
                g_autofree char *shown = NULL;

                if (*w->reported == *w->path) {
                    shown = g_strdup(path);
                } else {
                    shown = g_strconcat(w->reported, path + strlen(w->path), NULL);
                }
                c->event(c->opaque, shown, w->token);
            } else if (removed && below(path, w->path) && may_see(c, w->path)) {
                c->event(c->opaque, w->reported, w->token);
            }
        }
    }
}

void store_special(Store *s, const char *name)
{
    fire(s, name, false);
}

int store_watch(StoreClient *c, const char *path, const char *reported, const char *token)
{
    Watch *w;

    if (*path != '@' && !store_path_valid(path)) {
        return EINVAL;
    }
    for (unsigned i = 0; i < c->watches->len; i++) {
        w = g_ptr_array_index(c->watches, i);
        if (!strcmp(w->reported, reported) && !strcmp(w->token, token)) {
            return EEXIST;
        }
    }
    if (c->domid && c->watches->len >= c->store->quota.watches) {
        return E2BIG;
    }
    w = g_new0(Watch, 1);
    w->path = g_strdup(path);
    w->reported = g_strdup(reported);
    w->token = g_strdup(token);
    g_ptr_array_add(c->watches, w);
    return 0;
}

int store_unwatch(StoreClient *c, const char *reported, const char *token)
{
    for (unsigned i = 0; i < c->watches->len; i++) {
        Watch *w = g_ptr_array_index(c->watches, i);

        if (!strcmp(w->reported, reported) && !strcmp(w->token, token)) {
            g_ptr_array_remove_index(c->watches, i);
            return 0;
        }
    }
    return ENOENT;
}

void store_reset_watches(StoreClient *c)
{
    g_ptr_array_set_size(c->watches, 0);
}

/* --- changes of a tree ----------------------------------------------------------------------- */

typedef struct Tree {
    Store *store;
    Node **root;
    bool live;                  /* the store's own: counts accounts */
} Tree;

/* A private node at path; creates what is missing, owned as the nearest existing parent. */
static Node *materialize(Tree t, uint32_t domid, const char *path, bool *created)
{
    g_auto(GStrv) parts = split(path);
    Node **slot = t.root, *n = node_own(slot);

    *created = false;
    for (char **p = parts; *p; p++) {
        bool found;
        unsigned i = child_index(n, *p, &found);

        if (!found) {
            Node *fresh = node_new(*p, n->perms, n->nperms);

            if (domid) {
                fresh->perms[0].domid = domid;
            }
            fresh->gen = n->gen = ++t.store->gen;
            g_ptr_array_insert(n->children, i, fresh);
            if (t.live) {
                charge(t.store, fresh->perms[0].domid, 1);
            }
            *created = true;
        }
        n = node_own((Node **)&n->children->pdata[i]);
    }
    return n;
}

static void apply(Tree t, uint32_t domid, const Change *change)
{
    bool created;
    Node *n;

    if (change->op == OP_RM) {
        g_autofree char *parent = g_path_get_dirname(change->path);
        const char *name = strrchr(change->path, '/') + 1;
        unsigned i;
        bool found;

        if (!lookup(*t.root, change->path)) {
            return;
        }
        n = materialize(t, 0, parent, &created);
        i = child_index(n, name, &found);
        if (found) {
            if (t.live) {
                uncharge_tree(t.store, g_ptr_array_index(n->children, i));
            }
            g_ptr_array_remove_index(n->children, i);
            n->gen = ++t.store->gen;
        }
        return;
    }
    n = materialize(t, domid, change->path, &created);
    if (change->op == OP_WRITE) {
        g_bytes_unref(n->value);
        n->value = g_bytes_ref(change->value);
        n->gen = ++t.store->gen;
    } else if (change->op == OP_PERMS) {
        if (t.live) {
            charge(t.store, n->perms[0].domid, -1);
            charge(t.store, change->perms[0].domid, 1);
        }
        g_free(n->perms);
        n->perms = g_memdup2(change->perms, change->nperms * sizeof *change->perms);
        n->nperms = change->nperms;
        n->gen = ++t.store->gen;
    }
}

static void change_free(gpointer p)
{
    Change *c = p;

    g_free(c->path);
    g_clear_pointer(&c->value, g_bytes_unref);
    g_free(c->perms);
    g_free(c);
}

static void transaction_free(gpointer p)
{
    StoreTransaction *t = p;

    node_unref(t->root);
    node_unref(t->base);
    g_hash_table_destroy(t->seen);
    g_ptr_array_free(t->changes, TRUE);
    g_free(t);
}

static StoreTransaction *find_transaction(const StoreClient *c, uint32_t tx)
{
    return g_hash_table_lookup(c->transactions, GUINT_TO_POINTER(tx));
}

/* The tree an operation works on; records that path is looked at. */
static int view(StoreClient *c, uint32_t tx, const char *path, Node ***root, StoreTransaction **t)
{
    *t = NULL;
    if (!store_path_valid(path)) {
        return EINVAL;
    }
    if (tx) {
        *t = find_transaction(c, tx);
        if (!*t) {
            return ENOENT;
        }
        g_hash_table_add((*t)->seen, g_strdup(path));
        *root = &(*t)->root;
    } else {
        *root = &c->store->root;
    }
    return 0;
}

static void perform(StoreClient *c, Node **root, StoreTransaction *t, Change *change)
{
    apply((Tree){ c->store, root, !t }, c->domid, change);
    if (t) {
        g_ptr_array_add(t->changes, change);
    } else {
        fire(c->store, change->path, change->op == OP_RM);
        change_free(change);
    }
}

/* --- operations ------------------------------------------------------------------------------ */

/* ENOENT only for those who may know. */
static int missing_error(const StoreClient *c, Node *root, const char *path)
{
    unsigned missing;
    Node *n = nearest(root, path, &missing);

    return allowed(c, n, WANT_READ) ? ENOENT : EACCES;
}

static int find(StoreClient *c, uint32_t tx, const char *path, unsigned want, Node **n)
{
    StoreTransaction *t;
    Node **root;
    int error = view(c, tx, path, &root, &t);

    if (error) {
        return error;
    }
    *n = lookup(*root, path);
    if (!*n) {
        return missing_error(c, *root, path);
    }
    return allowed(c, *n, want) ? 0 : EACCES;
}

int store_read(StoreClient *c, uint32_t tx, const char *path, GBytes **value)
{
    Node *n;
    int error = find(c, tx, path, WANT_READ, &n);

    if (!error) {
        *value = g_bytes_ref(n->value);
    }
    return error;
}

int store_list(StoreClient *c, uint32_t tx, const char *path, GPtrArray *names, uint64_t *gen)
{
    Node *n;
    int error = find(c, tx, path, WANT_READ, &n);

    for (unsigned i = 0; !error && i < n->children->len; i++) {
        g_ptr_array_add(names, g_strdup(((Node *)g_ptr_array_index(n->children, i))->name));
    }
    if (!error && gen) {
        *gen = n->gen;
    }
    return error;
}

int store_get_perms(StoreClient *c, uint32_t tx, const char *path, StorePerm *perms,
                    unsigned *count)
{
    Node *n;
    int error = find(c, tx, path, WANT_READ, &n);

    if (!error) {
        *count = MIN(n->nperms, STORE_MAX_PERMS);
        memcpy(perms, n->perms, *count * sizeof *perms);
    }
    return error;
}

/* May c create or write path?  created: number of nodes that will appear. */
static int may_write(StoreClient *c, Node *root, const char *path)
{
    unsigned missing;
    Node *n = nearest(root, path, &missing);

    if (!allowed(c, n, WANT_WRITE)) {
        return EACCES;
    }
    if (c->domid && missing &&
        account(c->store, c->domid) + missing > c->store->quota.nodes) {
        return ENOSPC;
    }
    return 0;
}

static Change *change_new(int op, const char *path)
{
    Change *c = g_new0(Change, 1);

    c->op = op;
    c->path = g_strdup(path);
    return c;
}

int store_write(StoreClient *c, uint32_t tx, const char *path, const void *value, gsize len)
{
    StoreTransaction *t;
    Node **root;
    Change *change;
    int error = view(c, tx, path, &root, &t);

    if (!error && c->domid && len > c->store->quota.value_bytes) {
        error = ENOSPC;
    }
    if (!error) {
        error = may_write(c, *root, path);
    }
    if (!error) {
        change = change_new(OP_WRITE, path);
        change->value = g_bytes_new(value, len);
        perform(c, root, t, change);
    }
    return error;
}

int store_mkdir(StoreClient *c, uint32_t tx, const char *path)
{
    StoreTransaction *t;
    Node **root;
    int error = view(c, tx, path, &root, &t);

    if (!error) {
        error = may_write(c, *root, path);
    }
    if (!error && !lookup(*root, path)) {
        perform(c, root, t, change_new(OP_MKDIR, path));
    }
    return error;
}

int store_rm(StoreClient *c, uint32_t tx, const char *path)
{
    StoreTransaction *t;
    Node **root, *n;
    int error = view(c, tx, path, &root, &t);

    if (error) {
        return error;
    }
    if (!strcmp(path, "/")) {
        return EINVAL;
    }
    n = lookup(*root, path);
    if (!n) {
        g_autofree char *parent = g_path_get_dirname(path);

        return lookup(*root, parent) ? 0 : missing_error(c, *root, path);
    }
    if (!allowed(c, n, WANT_WRITE)) {
        return EACCES;
    }
    perform(c, root, t, change_new(OP_RM, path));
    return 0;
}

int store_set_perms(StoreClient *c, uint32_t tx, const char *path, const StorePerm *perms,
                    unsigned count)
{
    StoreTransaction *t;
    Node **root, *n;
    Change *change;
    int error = view(c, tx, path, &root, &t);

    if (error) {
        return error;
    }
    n = lookup(*root, path);
    if (!n) {
        return missing_error(c, *root, path);
    }
    if (count == 0 || count > STORE_MAX_PERMS) {
        return EINVAL;
    }
    if (!is_owner(c, n)) {
        return EACCES;
    }
    if (c->domid && !acts_for(c, perms[0].domid)) {
        return EPERM;           /* an unprivileged domain can't give nodes away */
    }
    change = change_new(OP_PERMS, path);
    change->perms = g_memdup2(perms, count * sizeof *perms);
    change->nperms = count;
    perform(c, root, t, change);
    return 0;
}

int store_begin(StoreClient *c, uint32_t *tx)
{
    StoreTransaction *t;

    if (c->domid && g_hash_table_size(c->transactions) >= c->store->quota.transactions) {
        return ENOSPC;
    }
    do {
        c->next_tx++;
    } while (!c->next_tx || find_transaction(c, c->next_tx));
    t = g_new0(StoreTransaction, 1);
    t->root = node_ref(c->store->root);
    t->base = node_ref(c->store->root);
    t->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    t->changes = g_ptr_array_new_with_free_func(change_free);
    g_hash_table_insert(c->transactions, GUINT_TO_POINTER(c->next_tx), t);
    *tx = c->next_tx;
    return 0;
}

static uint64_t generation(Node *root, const char *path)
{
    Node *n = lookup(root, path);

    return n ? n->gen : 0;
}

static bool undisturbed(const StoreClient *c, const StoreTransaction *t)
{
    GHashTableIter i;
    gpointer path;

    g_hash_table_iter_init(&i, t->seen);
    while (g_hash_table_iter_next(&i, &path, NULL)) {
        if (generation(t->base, path) != generation(c->store->root, path)) {
            return false;
        }
    }
    return true;
}

int store_end(StoreClient *c, uint32_t tx, bool commit)
{
    StoreTransaction *t = find_transaction(c, tx);
    unsigned created = 0;
    int error = 0;

    if (!t) {
        return ENOENT;
    }
    for (unsigned i = 0; commit && i < t->changes->len; i++) {
        Change *change = g_ptr_array_index(t->changes, i);
        unsigned missing = 0;

        nearest(c->store->root, change->path, &missing);
        created += change->op == OP_RM ? 0 : missing;
    }
    if (commit && !undisturbed(c, t)) {
        error = EAGAIN;
    } else if (commit && c->domid &&
               account(c->store, c->domid) + created > c->store->quota.nodes + 64) {
        error = ENOSPC;
    } else if (commit) {
        for (unsigned i = 0; i < t->changes->len; i++) {
            apply((Tree){ c->store, &c->store->root, true }, c->domid,
                  g_ptr_array_index(t->changes, i));
        }
        for (unsigned i = 0; i < t->changes->len; i++) {
            Change *change = g_ptr_array_index(t->changes, i);

            fire(c->store, change->path, change->op == OP_RM);
        }
    }
    g_hash_table_remove(c->transactions, GUINT_TO_POINTER(tx));
    return error;
}

/* --- clients and the store ------------------------------------------------------------------- */

static void no_event(void *opaque, const char *path, const char *token)
{
    (void)opaque, (void)path, (void)token;
}

StoreClient *store_client_new(Store *s, uint32_t domid, StoreEvent event, void *opaque)
{
    StoreClient *c = g_new0(StoreClient, 1);

    c->store = s;
    c->domid = domid;
    c->target = UINT32_MAX;
    c->event = event ? event : no_event;
    c->opaque = opaque;
    c->watches = g_ptr_array_new_with_free_func(watch_free);
    c->transactions = g_hash_table_new_full(NULL, NULL, NULL, transaction_free);
    g_ptr_array_add(s->clients, c);
    return c;
}

void store_client_free(StoreClient *c)
{
    g_ptr_array_remove(c->store->clients, c);
    g_ptr_array_free(c->watches, TRUE);
    g_hash_table_destroy(c->transactions);
    g_free(c);
}

void store_client_set_target(StoreClient *c, uint32_t target)
{
    c->target = target;
}

uint32_t store_client_domid(const StoreClient *c)
{
    return c->domid;
}

void store_forget_domain(Store *s, uint32_t domid)
{
    g_hash_table_remove(s->owned, GUINT_TO_POINTER(domid));
}

Store *store_new(void)
{
    Store *s = g_new0(Store, 1);
    StorePerm perm = { 0, 'n' };

    s->root = node_new("", &perm, 1);
    s->clients = g_ptr_array_new();
    s->owned = g_hash_table_new(NULL, NULL);
    s->quota = (StoreQuota){ 1000, 128, 10, 2048 };
    s->self = store_client_new(s, 0, NULL, NULL);
    store_mkdir(s->self, 0, "/tool/xenstored");
    return s;
}

void store_free(Store *s)
{
    store_client_free(s->self);
    node_unref(s->root);
    g_ptr_array_free(s->clients, TRUE);
    g_hash_table_destroy(s->owned);
    g_free(s);
}

void store_put(Store *s, const char *path, const char *value)
{
    store_write(s->self, 0, path, value, strlen(value));
}

void store_put_int(Store *s, const char *path, int64_t value)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);

    store_put(s, path, text);
}

char *store_get(Store *s, const char *path)
{
    g_autoptr(GBytes) value = NULL;
    gsize len;
    const char *data;

    if (store_read(s->self, 0, path, &value) != 0) {
        return NULL;
    }
    data = g_bytes_get_data(value, &len);
    return g_strndup(data ? data : "", len);
}

void store_delete(Store *s, const char *path)
{
    store_rm(s->self, 0, path);
}

void store_own(Store *s, const char *path, uint32_t owner, uint32_t reader)
{
    StorePerm perms[2] = { { owner, 'n' }, { reader, 'r' } };
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    store_mkdir(s->self, 0, path);
    store_set_perms(s->self, 0, path, perms, owner == reader ? 1 : 2);
    store_list(s->self, 0, path, names, NULL);
    for (unsigned i = 0; i < names->len; i++) {
        g_autofree char *below = g_strdup_printf("%s/%s", path, (char *)names->pdata[i]);

        store_own(s, below, owner, reader);
    }
}
