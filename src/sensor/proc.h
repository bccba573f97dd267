/* What /proc says of a process, as the records of wire.h have it. Only for the step without BPF. */
#ifndef ALGO_PROC_H
#define ALGO_PROC_H

#include <stdbool.h>
#include <stddef.h>

#include "wire.h"

/* Since boot, 0 where it is gone. */
__u64 proc_start_ns(__u32 pid);
/* An EXEC record without its header; its size, 0 where the process is gone. */
size_t proc_exec(__u32 pid, void *record, size_t room);

#endif
