/* methods.h -- what the method files share. One table a file; methods.c joins them. */
#ifndef PAIDAN_METHODS_H
#define PAIDAN_METHODS_H

#include "encode.h"
#include "turn.h"

extern const struct method order_methods[], match_methods[], offer_methods[], org_methods[],
    read_methods[], server_methods[], token_methods[];
extern const int order_method_count, match_method_count, offer_method_count, org_method_count,
    read_method_count, server_method_count, token_method_count;

/* The order as it is asked for, from the parameters. */
void request_from_args(const struct call *call, struct order_request *request);
/* Takes lat and lon, converted to WGS-84. */
void point_from_args(const struct args *args, int32_t *lat, int32_t *lon);
void encode_order_state(struct call *call, struct pack *out); /* {order, state} */

#endif
