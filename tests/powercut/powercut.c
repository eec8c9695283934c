/* Writes down, in their order, what a process does to the files of one folder: the journal out of which a test makes the
 * disk as it may look after the power was cut. Loaded into the process under test with LD_PRELOAD; everything is done as
 * asked and then noted, an acknowledgement on standard output (a line that begins with "ack ") as well.
 *
 * POWERCUT_DIR      the folder, an absolute path without links
 * POWERCUT_JOURNAL  where the journal goes, outside of it
 *
 * A record is four little-endian numbers, kind (32 bits), length of the path (32), offset (64), length of the data (64),
 * then the path and the data. SQLite's shared memory (-shm) is left out: nothing of it has to outlive a process.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind { WRITE = 1, TRUNCATE = 2, SYNC = 3, UNLINK = 4, RENAME = 5, ACK = 6, CREATE = 7, SYNC_DIR = 8 };

#define MOST_FILES 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *paths[MOST_FILES];
static const char *dir;
static size_t dir_len;
static int journal = -1;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("POWERCUT_JOURNAL");
    dir = getenv("POWERCUT_DIR");
    if (!path || !dir) return;
    dir_len = strlen(dir);
    journal = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (journal < 0) abort();
}

static void put(const void *data, size_t len) {
    const char *at = data;
    while (len > 0) {
        long wrote = syscall(SYS_write, journal, at, len);
        if (wrote <= 0) abort();
        at += wrote;
        len -= (size_t)wrote;
    }
}

static void note(enum kind kind, const char *path, uint64_t offset, const void *data, uint64_t len) {
    if (journal < 0) return;
    uint32_t head[2] = {kind, (uint32_t)strlen(path)};
    uint64_t rest[2] = {offset, len};
    put(head, sizeof head);
    put(rest, sizeof rest);
    put(path, head[1]);
    if (data) put(data, len);
}

/* The path below the folder, or nothing; the folder itself is ".". */
static const char *below(const char *path) {
    if (journal < 0 || strncmp(path, dir, dir_len) != 0) return NULL;
    if (path[dir_len] == 0) return ".";
    if (path[dir_len] != '/') return NULL;
    size_t len = strlen(path);
    if (len > 4 && strcmp(path + len - 4, "-shm") == 0) return NULL;
    return path + dir_len + 1;
}

static const char *of(int fd) { return fd >= 0 && fd < MOST_FILES ? paths[fd] : NULL; }

static int opened(int fd, const char *path, int flags, int was_there) {
    if (fd < 0 || fd >= MOST_FILES) return fd;
    int error = errno;
    const char *name = below(path);
    pthread_mutex_lock(&lock);
    free(paths[fd]);
    paths[fd] = name ? strdup(name) : NULL;
    if (name && !was_there && (flags & O_CREAT)) note(CREATE, name, 0, NULL, 0);
    if (name && was_there && (flags & O_TRUNC)) note(TRUNCATE, name, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

static int is_there(const char *path) { return syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0; }

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                                        \
        va_end(rest);                                                                                                  \
        int there = is_there(path);                                                                                    \
        return opened((int)syscall(SYS_openat, AT_FDCWD, path, flags, mode), path, flags, there);                      \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < MOST_FILES) {
        free(paths[fd]);
        paths[fd] = NULL;
    }
    pthread_mutex_unlock(&lock);
    return (int)syscall(SYS_close, fd);
}

static ssize_t noted(ssize_t wrote, int fd, const void *data, off_t offset) {
    if (wrote > 0 && of(fd)) note(WRITE, of(fd), (uint64_t)offset, data, (uint64_t)wrote);
    return wrote;
}

#define PWRITE(name)                                                                                                   \
    ssize_t name(int fd, const void *data, size_t len, off_t offset) {                                                 \
        pthread_mutex_lock(&lock);                                                                                     \
        ssize_t wrote = noted(syscall(SYS_pwrite64, fd, data, len, offset), fd, data, offset);                         \
        pthread_mutex_unlock(&lock);                                                                                   \
        return wrote;                                                                                                  \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t write(int fd, const void *data, size_t len) {
    pthread_mutex_lock(&lock);
    off_t offset = of(fd) ? lseek(fd, 0, SEEK_CUR) : 0;
    if (fd == 1 && len > 4 && memcmp(data, "ack ", 4) == 0) note(ACK, "", 0, data, len);
    ssize_t wrote = noted(syscall(SYS_write, fd, data, len), fd, data, offset);
    pthread_mutex_unlock(&lock);
    return wrote;
}

#define TRUNCATED(name)                                                                                                \
    int name(int fd, off_t len) {                                                                                      \
        pthread_mutex_lock(&lock);                                                                                     \
        int done = (int)syscall(SYS_ftruncate, fd, len);                                                               \
        if (done == 0 && of(fd)) note(TRUNCATE, of(fd), (uint64_t)len, NULL, 0);                                       \
        pthread_mutex_unlock(&lock);                                                                                   \
        return done;                                                                                                   \
    }
TRUNCATED(ftruncate)
TRUNCATED(ftruncate64)

static int synced(int done, int fd) {
    struct stat about;
    if (done == 0 && of(fd)) {
        int is_dir = fstat(fd, &about) == 0 && S_ISDIR(about.st_mode);
        note(is_dir ? SYNC_DIR : SYNC, of(fd), 0, NULL, 0);
    }
    return done;
}

int fsync(int fd) {
    pthread_mutex_lock(&lock);
    int done = synced((int)syscall(SYS_fsync, fd), fd);
    pthread_mutex_unlock(&lock);
    return done;
}

int fdatasync(int fd) {
    pthread_mutex_lock(&lock);
    int done = synced((int)syscall(SYS_fdatasync, fd), fd);
    pthread_mutex_unlock(&lock);
    return done;
}

int unlink(const char *path) {
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (done == 0 && below(path)) note(UNLINK, below(path), 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return done;
}

int rename(const char *from, const char *to) {
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (done == 0 && below(from) && below(to)) note(RENAME, below(from), 0, below(to), strlen(below(to)));
    pthread_mutex_unlock(&lock);
    return done;
}
