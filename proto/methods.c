/* methods.c -- the tables of all methods, joined. */
#include "methods.h"

#include <string.h>

const struct method *const method_tables[] = {order_methods, contact_methods, match_methods, offer_methods,
                                              org_methods,   read_methods,  server_methods, token_methods,
                                              record_methods, series_methods, public_methods, push_methods,
                                              map_methods};
const int method_table_count = (int)ARRAY_LEN(method_tables);

int method_count(int table)
{
    const int counts[] = {order_method_count, contact_method_count, match_method_count, offer_method_count,
                          org_method_count,   read_method_count,  server_method_count, token_method_count,
                          record_method_count, series_method_count, public_method_count, push_method_count,
                          map_method_count};
    return counts[table];
}

int method_param_count(const struct method *method)
{
    int count = 0;
    while (method->params[count] != P_NONE)
        count++;
    return count;
}

bool method_takes(const struct method *method, enum param param)
{
    for (int i = 0; method->params[i] != P_NONE; i++)
        if (method->params[i] == param)
            return true;
    return false;
}

const struct method *method_find(const char *name, size_t len)
{
    for (int t = 0; t < method_table_count; t++)
        for (int i = 0; i < method_count(t); i++)
            if (strlen(method_tables[t][i].name) == len &&
                memcmp(method_tables[t][i].name, name, len) == 0)
                return &method_tables[t][i];
    return NULL;
}
