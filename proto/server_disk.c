/* server_disk.c -- room to finish: when the disk runs low nothing new is begun, and a file that held
 * space back is given up so that what is under way can be accepted, completed and cancelled. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sysexits.h>
#include <unistd.h>

#include "server_inside.h"

#define MIB (UINT64_C(1) << 20)

static void ballast_path(const struct server *s, char path[SETTING_TEXT_BYTES + 16])
{
    snprintf(path, SETTING_TEXT_BYTES + 16, "%s/ballast", s->settings.data);
}

/* Not every file system can hold space back; without it the bound is all there is. */
static void take_ballast(struct server *s)
{
    char path[SETTING_TEXT_BYTES + 16];
    ballast_path(s, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    s->has_ballast = fd >= 0 && fallocate(fd, 0, 0, (off_t)(s->settings.disk_reserve_mib * MIB)) == 0;
    if (!s->has_ballast) {
        log_warn("no_ballast", "reason=\"%s\"", strerror(errno));
        unlink(path);
    }
    if (fd >= 0)
        close(fd);
}

static void drop_ballast(struct server *s)
{
    char path[SETTING_TEXT_BYTES + 16];
    ballast_path(s, path);
    unlink(path);
    s->has_ballast = false;
}

void disk_watch(struct server *s)
{
    struct statvfs disk;
    if (!store_is_in_place(s->store)) { /* what is written now is seen by no start: nobody is answered */
        log_error("data_gone", "data=%s reason=\"the data directory was deleted, moved or replaced\"", s->settings.data);
        _exit(EX_IOERR);
    }
    uint64_t reserve = s->settings.disk_reserve_mib * MIB;
    if (reserve == 0 || statvfs(s->settings.data, &disk) != 0)
        return;
    uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    s->disk_free = room;
    if (!s->has_ballast && !s->is_disk_low && room > 2 * reserve && !s->was_ballast_tried) {
        s->was_ballast_tried = true;
        take_ballast(s);
    }
    if (!s->is_disk_low && room < reserve) {
        s->is_disk_low = true;
        turn_storage_low(s->turn, true);
        log_error("storage_low", "free_bytes=%llu reserve_bytes=%llu", (unsigned long long)room,
                  (unsigned long long)reserve);
    }
    if (s->is_disk_low && s->has_ballast && room < reserve / 2)
        drop_ballast(s);
    /* With room for the ballast and as much again it is over. */
    if (s->is_disk_low && room > (s->has_ballast ? 2 : 3) * reserve) {
        s->is_disk_low = s->was_ballast_tried = false;
        turn_storage_low(s->turn, false);
        log_info("storage_good", "free_bytes=%llu", (unsigned long long)room);
    }
}
