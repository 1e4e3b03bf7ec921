/* methods.h -- what the method files share. One table a file; methods.c joins them. */
#ifndef PAIDAN_METHODS_H
#define PAIDAN_METHODS_H

#include "encode.h"
#include "turn.h"

extern const struct method order_methods[], contact_methods[], match_methods[], offer_methods[], org_methods[],
    read_methods[], server_methods[], token_methods[], record_methods[], series_methods[],
    public_methods[], push_methods[], map_methods[];
extern const int order_method_count, contact_method_count, match_method_count, offer_method_count, org_method_count,
    read_method_count, server_method_count, token_method_count, record_method_count,
    series_method_count, public_method_count, push_method_count, map_method_count;

/* The order as it is asked for, from the parameters. */
void request_from_args(const struct call *call, struct order_request *request);
/* Takes lat and lon, converted to WGS-84. */
void point_from_args(const struct args *args, int32_t *lat, int32_t *lon);
/* The personal data of a request, or false when it brings none. Wipe it after use. */
bool contact_from_args(const struct call *call, struct contact_row *row);
/* The exact place of a home goes into the contact, which may name another itself. */
void contact_take_home(struct contact_row *contact, int32_t lat, int32_t lon);
/* Keeps the personal data of an open order, of which everything else knows a rounded place from then on. */
bool contact_keep(struct call *call, const struct contact_row *row);
/* An open order has got another place: the exact one is kept with its personal data. */
void contact_move_home(struct call *call, uint64_t order, int32_t lat, int32_t lon);
/* A question whose filter comes from the parameters; NULL with the call's error. */
struct query *question_from_args(struct call *call, enum query_kind kind);
/* The place that a list in memory goes on from; false with the call's error when the cursor is of none. */
bool place_from_cursor(struct call *call, uint32_t *place);
/* Revokes what tokens an organisation has. */
bool tokens_end_of_org(struct call *call, uint64_t org);
void encode_order_state(struct call *call, struct pack *out); /* {order, state} */

#endif
