/* log.h -- one structured line an event of the daemon's life: time, level, event, then key=value.
 *
 * Lines go to standard error, where journald takes them with their level, or to a file that is opened
 * anew on SIGHUP. No personal data are ever formatted here: ids, words and counts only. */
#ifndef PAIDAN_LOG_H
#define PAIDAN_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* `path`: NULL or "" is standard error. 0, or -1 when the file cannot be opened. May be called again. */
int log_open(const char *path, enum log_level most);

/* `format` makes the key=value part. Safe from any thread. */
__attribute__((format(printf, 3, 4))) void log_line(enum log_level level, const char *event,
                                                    const char *format, ...);

/* Whether lines of that level are written, for what would cost something to put together. */
bool log_has(enum log_level level);

/* Lines that a caller can bring about as often as it likes: at most one a second, with `left_out`, how many
 * were not written since the one before. On the loop thread only. */
struct log_limit {
    int64_t said_at; /* s of a clock that only goes forwards; 0: never */
    uint32_t left_out;
};
__attribute__((format(printf, 3, 4))) void log_seldom(struct log_limit *limit, const char *event, const char *format, ...);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
