/* limits.h -- every bound of the engine, in one place. */
#ifndef PAIDAN_LIMITS_H
#define PAIDAN_LIMITS_H

#define ID_MAX 9007199254740991 /* 2^53 - 1: browsers keep it whole */
#define SEQUENCE_BITS 43        /* of an order or offer id; the bits above are the node */
#define NODE_MAX 1023

#define SKILL_COUNT_MAX 256
#define REGION_CODE_MAX 99999999999999999 /* 17 digits: a grid */
#define ORG_REGION_COUNT_MAX 64
#define ORG_DATE_COUNT_MAX 366
#define ORG_NAME_BYTES_MAX 200
#define ORG_CAPACITY_MAX 100000
#define REACH_M_MAX 1000000
#define WORD_BYTES_MAX 32    /* a coded reason, a skill */
#define ACTOR_BYTES_MAX 63   /* who asks: the principal of a session */
#define EXTERNAL_ID_BYTES_MAX 64

#define HEADCOUNT_MAX 10000
#define SERVICE_MINUTES_MAX 1440
#define WINDOW_DAYS_MAX 62
#define HORIZON_DAYS 366
#define RECORD_COUNT_MAX 1000
#define DISPATCH_ORG_COUNT_MAX 64
#define CANDIDATE_COUNT_MAX 200
#define ASSIGN_COUNT_MAX 256 /* orders that one `assign` takes */
#define TICK_COUNT_MAX 256   /* timers that one `tick` takes */
#define TICK_SLICE 2048      /* slots of the registry or of the orders that one `tick` looks through */

#define RECORD_DAYS 31       /* a record of an earlier day is late */
#define EMERGENCY_COUNT_MAX 64
#define EMERGENCY_DAYS_MAX 30
#define SERIES_DAYS_MAX 1098 /* three years */
#define SERIES_WEEKS_MAX 52
#define SERIES_LEAD_DAYS_MAX 60

#define HALF_HOUR_MS 1800000
#define DAY_MS 86400000LL
#define HALF_HOURS_A_DAY 48

#endif
