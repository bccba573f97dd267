/* Eyes on files, by fanotify: who opens what is watched, and who writes into the memory of another process. */
#ifndef ALGO_FILES_H
#define ALGO_FILES_H

#include <stddef.h>
#include <sys/types.h>

#include "wire.h"

enum eye { EYE_OPENS, EYE_MEMORY, EYE_REPLACED, EYES };

/* Opens what this kernel allows; the answers are in `files_text`. */
void files_open(void);
/* To wait for; -1 where this eye is blind. */
int files_descriptor(enum eye eye);
/* Takes what is there. `drain` is called between hearing and telling: who is named then was told of before. */
void files_read(enum eye eye, void (*drain)(void));
/* Once a second. */
void files_tick(void);
/* A child of ours whose exec opens a watched file: our own program. */
void files_canary(pid_t child);
/* Lines of `name\tanswer`. Their length. */
size_t files_text(char *text, size_t size);
/* Records that were lost: the kernel's queue ran over, or there was no room. */
__u64 files_lost(void);

#endif
