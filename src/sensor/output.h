/* Records to the daemon, through one bounded buffer. Never waits: what it has no room for stays in the rings. */
#ifndef ALGO_OUTPUT_H
#define ALGO_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "wire.h"

void output_open(int descriptor);
/* 0 taken; negative: no room, and a ring_buffer that is told so lets go of the record and stops for now. */
int output_urgent(const void *record, size_t size);
int output_fact(const void *record, size_t size);
/* A record of the sensor's own; fills in the header. */
void output_own(struct wire_header *header, size_t size, int type);
bool output_has_room(void);
/* False when nobody will ever read again. */
bool output_flush(void);

#endif
