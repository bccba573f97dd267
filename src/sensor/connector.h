/*
 * The step between BPF and the scan: the kernel's process connector tells of each fork, exec and end. It stops nothing.
 */
#ifndef ALGO_CONNECTOR_H
#define ALGO_CONNECTOR_H

#include <stdbool.h>

/* Empty when it hears, which it has tried by a fork of its own; else why not. Takes half a second at most. */
const char *connector_open(void);
/* Records until the daemon is gone or says stop; true when it is time to try the step above again. */
bool connector_run(const char *reason, volatile int *ended);

#endif
