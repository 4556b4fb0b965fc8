/* A network disk in small: below $REFUSED no file can be locked, nor shared memory be mapped.

   cc -shared -fPIC -o refusing.so refusing.c -ldl;  LD_PRELOAD=./refusing.so REFUSED=/tmp/disk nas ... */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

static int refused(int descriptor) {
    const char *place = getenv("REFUSED");
    char link[64], path[4096];
    if (!place || !*place || descriptor < 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return !strncmp(path, place, strlen(place));
}

static int locks(const char *kind) {
    const char *kinds = getenv("REFUSED_KINDS");
    return !kinds || strstr(kinds, kind) != NULL;
}

int flock(int descriptor, int operation) {
    static int (*real)(int, int);
    if (!real) real = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");
    if (locks("flock") && refused(descriptor)) { errno = ENOLCK; return -1; }
    return real(descriptor, operation);
}

static int control(const char *name, int descriptor, int command, void *argument) {
    int (*real)(int, int, ...) = (int (*)(int, int, ...))dlsym(RTLD_NEXT, name);
    int lock = command == F_SETLK || command == F_SETLKW || command == F_GETLK || command == F_OFD_SETLK;
    if (lock && locks("fcntl") && refused(descriptor)) { errno = ENOLCK; return -1; }
    return real(descriptor, command, argument);
}

int fcntl(int descriptor, int command, ...) {
    va_list given; va_start(given, command); void *argument = va_arg(given, void *); va_end(given);
    return control("fcntl", descriptor, command, argument);
}

int fcntl64(int descriptor, int command, ...) {
    va_list given; va_start(given, command); void *argument = va_arg(given, void *); va_end(given);
    return control("fcntl64", descriptor, command, argument);
}

static void *map(const char *name, void *at, size_t length, int rights, int flags, int descriptor, off_t from) {
    void *(*real)(void *, size_t, int, int, int, off_t);
    real = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, name);
    if (flags & MAP_SHARED && rights & PROT_WRITE && locks("mmap") && refused(descriptor)) {
        errno = ENODEV;
        return MAP_FAILED;
    }
    return real(at, length, rights, flags, descriptor, from);
}

void *mmap(void *at, size_t length, int rights, int flags, int descriptor, off_t from) {
    return map("mmap", at, length, rights, flags, descriptor, from);
}

void *mmap64(void *at, size_t length, int rights, int flags, int descriptor, off_t from) {
    return map("mmap64", at, length, rights, flags, descriptor, from);
}
