/* A store of its own for a test, removed in the end. */
#pragma once

#include "layer.h"

typedef struct {
    char *top;
    KilnStore *store;
} Place;

static inline void set_up(Place *p, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    p->top = g_dir_make_tmp("kiln-store-XXXXXX", NULL);
    p->store = kiln_store_open(p->top, KILN_STORE_SHARED, &error);
    g_assert_no_error(error);
}

static inline void tear_down(Place *p, gconstpointer data)
{
    (void)data;
    g_clear_pointer(&p->store, kiln_store_close);
    g_autoptr(GError) error = NULL;
    g_assert_true(kiln_store_reset(p->top, &error));
    g_assert_no_error(error);
    g_free(p->top);
}
