/*
 * GUARD_ON: programs and tables pinned in a bpffs, so that they go on enforcing while the daemon restarts or is dead.
 * A successor of the same build takes the tables over, attaches its own programs, and only then lets the old ones go.
 */
#ifndef ALGO_GUARD_H
#define ALGO_GUARD_H

#include <bpf/libbpf.h>
#include <stdbool.h>

struct loaded;

/* Before loading: names the tables of a predecessor to the object. Whether there are any. */
bool guard_adopt(struct bpf_object *object);
/* After attaching: a predecessor's programs are no longer needed. */
void guard_release_links(void);
/* Takes away every pin of ours, and the mount. */
void guard_remove(void);

#endif
