#include "log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "visible.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = STDERR_FILENO;
static _Atomic enum log_level most = LOG_LEVEL_INFO;

bool log_has(enum log_level level)
{
    return level <= most;
}

int log_open(const char *path, enum log_level level)
{
    int fd = STDERR_FILENO;
    if (path != NULL && path[0] != '\0') {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (fd < 0)
            return -1;
    }
    pthread_mutex_lock(&mutex);
    if (log_fd != STDERR_FILENO)
        close(log_fd);
    log_fd = fd;
    most = level;
    pthread_mutex_unlock(&mutex);
    return 0;
}

void log_line(enum log_level level, const char *event, const char *format, ...)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    static const int journal[] = {3, 4, 6, 7}; /* sd-daemon's prefixes */
    char line[1024];
    char said[1024];
    char time_text[32];
    struct timespec now;
    struct tm tm;
    va_list arguments;
    pthread_mutex_lock(&mutex);
    if (level <= most) {
        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &tm);
        strftime(time_text, sizeof time_text, "%Y-%m-%dT%H:%M:%S", &tm);
        int at = 0;
        if (log_fd == STDERR_FILENO && getenv("JOURNAL_STREAM") != NULL)
            at = snprintf(line, sizeof line, "<%d>", journal[level]);
        at += snprintf(line + at, sizeof line - (size_t)at, "time=%s.%03ldZ level=%s event=%s ",
                       time_text, now.tv_nsec / 1000000, names[level], event);
        va_start(arguments, format);
        vsnprintf(said, sizeof said, format, arguments);
        va_end(arguments);
        at += (int)text_visible(said, strlen(said), line + at, sizeof line - (size_t)at - 1);
        line[at++] = '\n';
        ssize_t written = write(log_fd, line, (size_t)at);
        (void)written; /* a log that cannot be written has nowhere to say so */
    }
    pthread_mutex_unlock(&mutex);
}

void log_seldom(struct log_limit *limit, const char *event, const char *format, ...)
{
    char said[512];
    struct timespec now;
    va_list arguments;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (limit->said_at == now.tv_sec + 1) {
        limit->left_out++;
        return;
    }
    va_start(arguments, format);
    vsnprintf(said, sizeof said, format, arguments);
    va_end(arguments);
    log_warn(event, "%s left_out=%u", said, limit->left_out);
    *limit = (struct log_limit){.said_at = now.tv_sec + 1};
}
