/* memory.c -- SQLite's memory, with an allocation that fails. */
#include "sim.h"

#include <malloc.h>
#include <sqlite3.h>

#include "engine/pool.h"

static sqlite3_mem_methods system_memory;
static uint64_t asked, fails_at, asked_before;
static bool fails_for_ever;

static bool fails(void)
{
    asked++;
    return fails_at != 0 && (asked == fails_at || (fails_for_ever && asked > fails_at));
}

static void *take(int bytes)
{
    return fails() ? NULL : system_memory.xMalloc(bytes);
}

static void *resize(void *old, int bytes)
{
    return fails() ? NULL : system_memory.xRealloc(old, bytes);
}

void sim_memory_fails(uint64_t at, bool is_for_ever)
{
    asked_before = asked;
    asked = 0;
    fails_at = at;
    fails_for_ever = is_for_ever;
}

uint64_t sim_memory_asked(void)
{
    return asked_before;
}

void sim_prepare(void)
{
    static bool is_done;
    if (is_done)
        return;
    is_done = true;
    mallopt(M_MMAP_THRESHOLD, 1 << 30); /* disks come and go by the thousand: keep their memory */
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    must(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_memory) == SQLITE_OK);
    sqlite3_mem_methods mine = system_memory;
    mine.xMalloc = take;
    mine.xRealloc = resize;
    must(sqlite3_config(SQLITE_CONFIG_MALLOC, &mine) == SQLITE_OK);
    must(sqlite3_initialize() == SQLITE_OK);
}
