/* Variables that make a program load code of somebody's choice: which of them an exec brought along. */
#ifndef ALGO_ENVIRONMENT_H
#define ALGO_ENVIRONMENT_H

#include <stddef.h>

struct wire_header;

/* Copies those of `words` (zero-terminated, one after the other) to `to`, each cut after 256 bytes; their length. */
size_t environment_kept(const char *words, size_t length, char *to, size_t room);
/* A record on its way to the daemon: as it is to be, NULL where it waits for the exec it belongs to. */
const struct wire_header *environment_joined(const struct wire_header *record);

#endif
