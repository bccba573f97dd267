/* The list of watched files, and the marks that keep up with what its paths lead to. */
#ifndef ALGO_WATCHES_H
#define ALGO_WATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "wire.h"

/* Descriptors of fanotify for files and for /proc, and of inotify for directories; -1 where there is none. */
void watches_open(int files, int processes, int directories);
/* The whole list, `count` entries in `size` bytes: what is not in it is no longer watched. False for nonsense. */
bool watches_replace(const void *entries, size_t size, __u32 count);
/* What inotify says: names that lead elsewhere now. */
void watches_read(void);
/* Looks at every path again. */
void watches_look(void);
/* The path of the list that leads to this file; NULL where none does. */
const char *watches_find(const struct stat *file, __u32 *kind);
/* Paths with a mark, and those whose file system refuses one. */
void watches_count(__u32 *marked, __u32 *refused);

#endif
