/* clock.c -- steps of the host's clock are doubted until they have stood. */
#include "clock.h"

#include <time.h>

static bool is_near(int64_t one, int64_t other)
{
    return one - other <= CLOCK_STEP_MS && other - one <= CLOCK_STEP_MS;
}

static void tell(struct clock *c, enum clock_news news, int64_t from, int64_t to)
{
    c->news = news;
    c->from = from;
    c->to = to;
}

static void doubt(struct clock *c, int64_t wall, int64_t boot)
{
    c->is_doubted = true;
    c->doubted_wall = wall;
    c->doubted_boot = boot;
    c->steps++;
    tell(c, CLOCK_STEPPED, c->now, wall);
}

void clock_start(struct clock *c, int64_t wall, int64_t boot, int64_t newest)
{
    c->boot = boot;
    c->now = wall;
    c->is_doubted = false;
    c->news = CLOCK_NOTHING;
    if (newest == 0)
        return;
    if (wall - newest > CLOCK_AWAY_MS || newest - wall > CLOCK_STEP_MS) {
        c->now = newest;
        doubt(c, wall, boot);
    } else if (wall < newest) {
        c->now = newest;
    }
}

/* One that moved on by more than the time that passed is another step, which has its own time to stand. */
static int64_t go_on_doubting(struct clock *c, int64_t wall, int64_t boot, int64_t believed)
{
    c->now = believed;
    if (!c->is_doubted || !is_near(wall, c->doubted_wall + (boot - c->doubted_boot)))
        doubt(c, wall, boot);
    if (boot - c->doubted_boot >= c->trust_ms) {
        tell(c, CLOCK_STOOD, believed, wall);
        c->is_doubted = false;
        c->now = wall;
    }
    return c->now;
}

int64_t clock_now(struct clock *c, int64_t wall, int64_t boot)
{
    int64_t believed = c->now + (boot > c->boot ? boot - c->boot : 0);
    c->boot = boot;
    c->news = CLOCK_NOTHING;
    if (!is_near(wall, believed))
        return go_on_doubting(c, wall, boot, believed);
    if (c->is_doubted)
        tell(c, CLOCK_CAME_BACK, believed, wall);
    c->is_doubted = false;
    if (wall > c->now)
        c->now = wall;
    return c->now;
}

void clock_trust(struct clock *c, int64_t wall, int64_t boot)
{
    c->now = wall;
    c->boot = boot;
    c->is_doubted = false;
    c->news = CLOCK_NOTHING;
}

void clock_text(int64_t ms, char text[CLOCK_TEXT_BYTES])
{
    struct tm tm;
    time_t seconds = (time_t)(ms / 1000);
    strftime(text, CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
}
