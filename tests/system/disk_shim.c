/* Stands between a process and its disk (LD_PRELOAD): writes down every change of the files whose path begins with
 * $DISK_PREFIX into the file $DISK_TRACE, and lets the $DISK_FAIL_SYNC-th fdatasync or fsync fail with EIO.
 *
 * A record of the trace: one byte for the kind (w write, t truncate, s sync, u unlink), then as 64-bit integers offset,
 * length of the path and length of the data, then path and data. tests/system/disk_trace.py reads it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int trace = -1;
static long syncs = 0;

static int traced(const char *path) {
    const char *prefix = getenv("DISK_PREFIX");
    return prefix && strncmp(path, prefix, strlen(prefix)) == 0;
}

static int path_of(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return traced(path);
}

/* Called with the lock held, after the operation itself succeeded. */
static void record(char kind, const char *path, int64_t offset, const void *data, int64_t size) {
    if (!getenv("DISK_TRACE")) return;
    if (trace < 0) trace = open(getenv("DISK_TRACE"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int64_t numbers[3] = {offset, (int64_t)strlen(path), size};
    struct iovec parts[4] = {
        {&kind, 1}, {numbers, sizeof numbers}, {(void *)path, strlen(path)}, {(void *)data, (size_t)size}};
    if (writev(trace, parts, 4) < 0) abort();
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset) {
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    char path[PATH_MAX];
    if (!path_of(descriptor, path)) return real(descriptor, data, size, offset);
    pthread_mutex_lock(&lock);
    ssize_t done = real(descriptor, data, size, offset);
    if (done > 0) record('w', path, offset, data, done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int descriptor, const void *data, size_t size) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    char path[PATH_MAX];
    if (!path_of(descriptor, path)) return real(descriptor, data, size);
    pthread_mutex_lock(&lock);
    int64_t offset = lseek(descriptor, 0, SEEK_CUR);
    ssize_t done = real(descriptor, data, size);
    if (done > 0) record('w', path, offset, data, done);
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate64(int descriptor, off64_t size) {
    int (*real)(int, off64_t) = dlsym(RTLD_NEXT, "ftruncate64");
    char path[PATH_MAX];
    if (!path_of(descriptor, path)) return real(descriptor, size);
    pthread_mutex_lock(&lock);
    int failed = real(descriptor, size);
    if (!failed) record('t', path, size, "", 0);
    pthread_mutex_unlock(&lock);
    return failed;
}

static int synced(const char *name, int descriptor) {
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    char path[PATH_MAX];
    if (!path_of(descriptor, path)) return real(descriptor);
    pthread_mutex_lock(&lock);
    const char *failing = getenv("DISK_FAIL_SYNC");
    int failed;
    if (failing && ++syncs == atol(failing)) {
        errno = EIO;
        failed = -1;
    } else {
        failed = real(descriptor);
        if (!failed) record('s', path, 0, "", 0);
    }
    pthread_mutex_unlock(&lock);
    return failed;
}

int fdatasync(int descriptor) { return synced("fdatasync", descriptor); }

int fsync(int descriptor) { return synced("fsync", descriptor); }

int unlink(const char *path) {
    int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
    pthread_mutex_lock(&lock);
    int failed = real(path);
    if (!failed && traced(path)) record('u', path, 0, "", 0);
    pthread_mutex_unlock(&lock);
    return failed;
}
