/* Variables that make a program load code of somebody's choice: which of them an exec brought along. */
#ifndef ALGO_ENVIRONMENT_H
#define ALGO_ENVIRONMENT_H

#include <stddef.h>

/* Copies those of `words` (zero-terminated, one after the other) to `to`, each cut after 256 bytes; their length. */
size_t environment_kept(const char *words, size_t length, char *to, size_t room);

#endif
