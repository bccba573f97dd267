/* Loads and attaches the programs; knows which of them a kernel may lack. */
#ifndef ALGO_LOADER_H
#define ALGO_LOADER_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stddef.h>

#include "wire.h"
#include "bpf/state.h"

#define HOOKS_MAX 32

struct hook {
  const char *name;
  char answer[160]; /* `ok`, or why not */
  int program;
  struct bpf_link *link;
};

struct loaded {
  struct bpf_object *object;
  struct hook hooks[HOOKS_MAX];
  int hook_count;
  int urgent, vital, other; /* rings */
  int settings, programs, copies, exempt, spared, networks, answers, refused, counters;
  char failure[512];
  bool adopted; /* the tables of a predecessor */
};

/* False: nothing is attached, `failure` says why. */
bool loaded_open(struct loaded *out, const char *cgroup);
/* Lines of `name\tanswer`. Their length. */
size_t loaded_text(const struct loaded *loaded, char *text, size_t size);
void loaded_counters(const struct loaded *loaded, __u64 counters[COUNTERS]);
/* How many instructions the verifier went through, of the million it takes; 0 where the kernel does not say (before 5.16). */
__u32 loaded_checked(const struct hook *hook);
__u64 loaded_misses(const struct loaded *loaded);
__u64 boot_ns(void);
/* Whether programs and tables outlive us. Empty when done, else why not. */
/* Whether every system call is looked at (DEEP_SYSCALLS). Empty when done, else why not. */
const char *loaded_deep(struct loaded *loaded, bool on);
const char *loaded_guard(struct loaded *loaded, bool on);

#endif
