/*
 * Preloaded into a process, records what it writes to files named data.mdb, and what it promises by writing to a file
 * named promises, in the order in which it happens:
 *
 *   record = kind u8 ‖ offset u64 ‖ length u64 ‖ time u64 ‖ data      little-endian
 *   kind   = "W" write / "D" write through (O_DSYNC) / "S" fsync or fdatasync / "T" truncate to offset / "P" promise /
 *            "C" data.mdb is created / "M" directory is made / "F" fsync of a directory /
 *            "U" file is removed; data is the path
 *   time   = nanoseconds of CLOCK_MONOTONIC at which it was done
 *
 * RECORD_FILE is the record. RECORD_SYNC_US makes every sync take longer by so many microseconds.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { OTHER, DATA, THROUGH, PROMISES };
static unsigned char kinds[4096];
static int record = -1;
static long delay_us = 0;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("RECORD_FILE");
  if (path != NULL) record = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  const char *delay = getenv("RECORD_SYNC_US");
  if (delay != NULL) delay_us = atol(delay);
}

static int kind(int fd) { return fd >= 0 && fd < 4096 ? kinds[fd] : OTHER; }

static const char *base(const char *path) {
  const char *name = strrchr(path, '/');
  return name == NULL ? path : name + 1;
}

static void note(int fd, const char *path, int flags) {
  if (fd < 0 || fd >= 4096) return;
  if (strcmp(base(path), "data.mdb") == 0) kinds[fd] = (flags & O_DSYNC) ? THROUGH : DATA;
  else kinds[fd] = strcmp(base(path), "promises") == 0 ? PROMISES : OTHER;
}

static void put(char type, uint64_t offset, const struct iovec *parts, int count, uint64_t length) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  unsigned char head[25] = {(unsigned char)type};
  memcpy(head + 1, &offset, 8);
  memcpy(head + 9, &length, 8);
  memcpy(head + 17, &time, 8);
  syscall(SYS_write, record, head, sizeof head);
  for (int i = 0; i < count && length > 0; i++) {
    uint64_t size = parts[i].iov_len < length ? parts[i].iov_len : length;
    for (uint64_t done = 0; done < size;) done += syscall(SYS_write, record, (char *)parts[i].iov_base + done, size - done);
    length -= size;
  }
}

static void put_path(char type, const char *path) {
  struct iovec part = {(void *)path, strlen(path)};
  put(type, 0, &part, 1, part.iov_len);
}

static void slowly(void) {
  struct timespec pause = {0, delay_us * 1000};
  if (delay_us > 0) nanosleep(&pause, NULL);
}

static ssize_t written(int fd, const struct iovec *parts, int count, off_t offset, int positioned) {
  pthread_mutex_lock(&lock);
  if (!positioned) offset = kind(fd) == PROMISES ? 0 : syscall(SYS_lseek, fd, 0, SEEK_CUR);
  if (kind(fd) == THROUGH) slowly();
  ssize_t size = positioned ? syscall(SYS_pwritev, fd, parts, count, offset, 0) : syscall(SYS_writev, fd, parts, count);
  if (size > 0) put(kind(fd) == DATA ? 'W' : kind(fd) == THROUGH ? 'D' : 'P', offset, parts, count, size);
  pthread_mutex_unlock(&lock);
  return size;
}

static void locked_path(char type, const char *path) {
  pthread_mutex_lock(&lock);
  put_path(type, path);
  pthread_mutex_unlock(&lock);
}

#define OPEN(name, parameters, arguments)                                                                              \
  int name parameters {                                                                                                \
    va_list more;                                                                                                      \
    va_start(more, flags);                                                                                             \
    int mode = va_arg(more, int);                                                                                      \
    va_end(more);                                                                                                      \
    int is_new = (flags & O_CREAT) && strcmp(base(path), "data.mdb") == 0 && access(path, F_OK) != 0;                  \
    int fd = REAL(name) arguments;                                                                                     \
    note(fd, path, flags);                                                                                             \
    if (is_new && fd >= 0) locked_path('C', path);                                                                     \
    return fd;                                                                                                         \
  }
OPEN(open, (const char *path, int flags, ...), (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode))
OPEN(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode))
OPEN(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode))

ssize_t write(int fd, const void *bytes, size_t length) {
  if (kind(fd) == OTHER) return REAL(write)(fd, bytes, length);
  struct iovec part = {(void *)bytes, length};
  return written(fd, &part, 1, 0, 0);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  return kind(fd) == OTHER ? REAL(writev)(fd, parts, count) : written(fd, parts, count, 0, 0);
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  if (kind(fd) == OTHER) return REAL(pwrite)(fd, bytes, length, offset);
  struct iovec part = {(void *)bytes, length};
  return written(fd, &part, 1, offset, 1);
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) { return pwrite(fd, bytes, length, offset); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  return kind(fd) == OTHER ? REAL(pwritev)(fd, parts, count, offset) : written(fd, parts, count, offset, 1);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) { return pwritev(fd, parts, count, offset); }

static int synced(int fd, int call) {
  pthread_mutex_lock(&lock);
  slowly();
  int result = syscall(call, fd);
  if (result == 0) put('S', 0, NULL, 0, 0);
  pthread_mutex_unlock(&lock);
  return result;
}
static int synced_directory(int fd) {
  char link[64], path[4096];
  int result = REAL(fsync)(fd);
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (result != 0 || length < 0) return result;
  path[length] = 0;
  locked_path('F', path);
  return 0;
}
static int is_directory(int fd) {
  struct stat facts;
  return fstat(fd, &facts) == 0 && S_ISDIR(facts.st_mode);
}
int fsync(int fd) {
  if (kind(fd) == DATA || kind(fd) == THROUGH) return synced(fd, SYS_fsync);
  return is_directory(fd) ? synced_directory(fd) : REAL(fsync)(fd);
}
int fdatasync(int fd) { return kind(fd) == DATA || kind(fd) == THROUGH ? synced(fd, SYS_fdatasync) : REAL(fdatasync)(fd); }
int unlink(const char *path) {
  int result = REAL(unlink)(path);
  if (result == 0) locked_path('U', path);
  return result;
}
int mkdir(const char *path, mode_t mode) {
  int result = REAL(mkdir)(path, mode);
  if (result == 0) locked_path('M', path);
  return result;
}
int ftruncate(int fd, off_t length) {
  if (kind(fd) == OTHER) return REAL(ftruncate)(fd, length);
  pthread_mutex_lock(&lock);
  int result = syscall(SYS_ftruncate, fd, length);
  if (result == 0) put('T', length, NULL, 0, 0);
  pthread_mutex_unlock(&lock);
  return result;
}
int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }
int close(int fd) {
  if (fd >= 0 && fd < 4096) kinds[fd] = OTHER;
  return REAL(close)(fd);
}
