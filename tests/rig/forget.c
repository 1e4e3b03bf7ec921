/* forget.c -- a library to preload, which keeps beside a directory what would be left of it after a power
 * cut: a copy of each file that gets what was written only when it is synced.
 *
 *     FORGET_DIR=/tmp/x/data FORGET_SHADOW=/tmp/x/shadow LD_PRELOAD=build/tests/forget.so server …
 *
 * FORGET_SYNCS=no: syncs do nothing, as on a disk that lies. FORGET_FAIL_AFTER=N: the N-th sync and all
 * after it fail with EIO, and what they were to keep is forgotten, as Linux does it.
 *
 * Kill the server, put the shadow in the place of the directory, start it again. Names (new, renamed,
 * deleted files) count as synced at once, which is kinder than a real disk. One process; no mmap. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES_MAX 512
#define FDS_MAX 4096
#define RANGES_MAX 65536

struct range {
    off_t at;
    size_t len;
};

struct file {
    char path[1024];
    struct range *ranges; /* written since the last sync */
    size_t count;
    int is_stdio; /* libc writes it without asking us: a sync copies all of it */
};

static struct file files[FILES_MAX];
static int file_count;
static int file_of_fd[FDS_MAX]; /* 1 + index; 0: not ours */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static const char *shadow_of(const char *path, char shadow[1024])
{
    snprintf(shadow, 1024, "%s%s", getenv("FORGET_SHADOW"), path + strlen(getenv("FORGET_DIR")));
    return shadow;
}

static int is_ours(const char *path)
{
    const char *root = getenv("FORGET_DIR");
    return root != NULL && strncmp(path, root, strlen(root)) == 0;
}

static void full_path(const char *path, char full[1024])
{
    char here[512];
    if (path[0] == '/' || getcwd(here, sizeof here) == NULL)
        snprintf(full, 1024, "%s", path);
    else
        snprintf(full, 1024, "%s/%s", here, path);
}

static void note_open(int fd, const char *path, int flags, int is_stdio)
{
    char full[1024];
    struct stat st;
    full_path(path, full);
    if (fd < 0 || fd >= FDS_MAX || !is_ours(full) || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    char shadow[1024];
    int name = REAL(open)(shadow_of(full, shadow), O_WRONLY | O_CREAT | O_CLOEXEC, 0600); /* the name is there at once */
    if (name >= 0)
        REAL(close)(name);
    pthread_mutex_lock(&mutex);
    int i = 0;
    while (i < file_count && strcmp(files[i].path, full) != 0)
        i++;
    if (i == file_count && file_count < FILES_MAX) {
        snprintf(files[i].path, sizeof files[i].path, "%s", full);
        files[i].ranges = malloc(RANGES_MAX * sizeof(struct range));
        file_count++;
    }
    if ((flags & O_TRUNC) != 0)
        files[i].count = 0;
    files[i].is_stdio |= is_stdio;
    file_of_fd[fd] = i < FILES_MAX ? i + 1 : 0;
    pthread_mutex_unlock(&mutex);
}

static void note_write(int fd, off_t at, ssize_t len)
{
    if (fd < 0 || fd >= FDS_MAX || file_of_fd[fd] == 0 || len <= 0)
        return;
    pthread_mutex_lock(&mutex);
    struct file *f = &files[file_of_fd[fd] - 1];
    if (f->count < RANGES_MAX)
        f->ranges[f->count++] = (struct range){at, (size_t)len};
    else
        abort(); /* rather than a wrong figure */
    pthread_mutex_unlock(&mutex);
}

static int sync_file(int fd)
{
    if (fd < 0 || fd >= FDS_MAX || file_of_fd[fd] == 0 || getenv("FORGET_SYNCS") != NULL)
        return 0;
    char shadow[1024];
    char buffer[65536];
    struct stat st;
    const char *fail_after = getenv("FORGET_FAIL_AFTER");
    static int syncs;
    pthread_mutex_lock(&mutex);
    struct file *f = &files[file_of_fd[fd] - 1];
    if (fail_after != NULL && ++syncs >= atoi(fail_after)) {
        f->count = 0;
        pthread_mutex_unlock(&mutex);
        errno = EIO;
        return -1;
    }
    int from = REAL(open)(f->path, O_RDONLY | O_CLOEXEC);
    int to = REAL(open)(shadow_of(f->path, shadow), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (from < 0 || to < 0 || fstat(from, &st) != 0)
        abort();
    if (f->is_stdio) {
        f->ranges[0] = (struct range){0, (size_t)st.st_size};
        f->count = 1;
    }
    for (size_t i = 0; i < f->count; i++)
        for (size_t done = 0; done < f->ranges[i].len;) {
            size_t want = f->ranges[i].len - done < sizeof buffer ? f->ranges[i].len - done : sizeof buffer;
            ssize_t got = pread(from, buffer, want, f->ranges[i].at + (off_t)done);
            if (got <= 0)
                break;
            if (REAL(pwrite)(to, buffer, (size_t)got, f->ranges[i].at + (off_t)done) != got)
                abort();
            done += (size_t)got;
        }
    if (REAL(ftruncate)(to, st.st_size) != 0) /* last: a kill in between leaves no hole */
        abort();
    f->count = 0;
    close(from);
    close(to);
    pthread_mutex_unlock(&mutex);
    return 0;
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;                      \
        va_end(arguments);                                                                         \
        int fd = REAL(name)(path, flags, mode);                                                    \
        note_open(fd, path, flags, 0);                                                                \
        return fd;                                                                                 \
    }
OPEN(open)
OPEN(open64)

#define FOPEN(name)                                                                                \
    FILE *name(const char *path, const char *mode)                                                 \
    {                                                                                              \
        FILE *file = REAL(name)(path, mode);                                                       \
        if (file != NULL && mode[0] != 'r')                                                        \
            note_open(fileno(file), path, mode[0] == 'w' ? O_TRUNC : 0, 1);                        \
        return file;                                                                               \
    }
FOPEN(fopen)
FOPEN(fopen64)

int close(int fd)
{
    if (fd >= 0 && fd < FDS_MAX)
        file_of_fd[fd] = 0;
    return REAL(close)(fd);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    int is_append = fd >= 0 && fd < FDS_MAX && file_of_fd[fd] != 0 && (fcntl(fd, F_GETFL) & O_APPEND) != 0;
    off_t at = fd >= 0 && fd < FDS_MAX && file_of_fd[fd] != 0 ? lseek(fd, 0, is_append ? SEEK_END : SEEK_CUR) : 0;
    ssize_t done = REAL(write)(fd, bytes, len);
    note_write(fd, at, done);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    off_t at = fd >= 0 && fd < FDS_MAX && file_of_fd[fd] != 0 ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t done = REAL(writev)(fd, parts, count);
    note_write(fd, at, done);
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    ssize_t done = REAL(pwrite)(fd, bytes, len, at);
    note_write(fd, at, done);
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    ssize_t done = REAL(pwrite64)(fd, bytes, len, at);
    note_write(fd, at, done);
    return done;
}

int fsync(int fd)
{
    return sync_file(fd);
}

int fdatasync(int fd)
{
    return sync_file(fd);
}

int rename(const char *from, const char *to)
{
    char full_from[1024];
    char full_to[1024];
    char shadow_from[1024];
    char shadow_to[1024];
    int rc = REAL(rename)(from, to);
    full_path(from, full_from);
    full_path(to, full_to);
    if (rc != 0 || !is_ours(full_from))
        return rc;
    pthread_mutex_lock(&mutex);
    REAL(rename)(shadow_of(full_from, shadow_from), shadow_of(full_to, shadow_to));
    for (int i = 0; i < file_count; i++) {
        if (strcmp(files[i].path, full_to) == 0)
            files[i].path[0] = '\0';
        if (strcmp(files[i].path, full_from) == 0)
            snprintf(files[i].path, sizeof files[i].path, "%s", full_to);
    }
    pthread_mutex_unlock(&mutex);
    return rc;
}

int unlink(const char *path)
{
    char full[1024];
    char shadow[1024];
    int rc = REAL(unlink)(path);
    full_path(path, full);
    if (rc == 0 && is_ours(full))
        REAL(unlink)(shadow_of(full, shadow));
    return rc;
}
