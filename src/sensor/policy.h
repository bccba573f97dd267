/* Frames from the daemon, put into the maps. */
#ifndef ALGO_POLICY_H
#define ALGO_POLICY_H

#include <stdbool.h>

#include "loader.h"

void policy_open(struct loaded *loaded);
/* Reads what is there. False at the end of input, at POLICY_STOP, and at a frame that makes no sense. */
bool policy_read(int descriptor);
__u32 policy_generation(void);

#endif
