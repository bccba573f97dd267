/*
 * From a shape to a verdict: what the policy says of the rule, who is pardoned or spared, and the record of it. A shape
 * that somebody may have excepted is asked about, never stopped here: the daemon knows the whole exception.
 */
#ifndef ALGO_JUDGE_H
#define ALGO_JUDGE_H

#define SPOKEN_ARGUMENTS_MAX 512

struct spoken {
  union { struct wire_verdict verdict; struct wire_ask ask; } what;
  __u8 arguments[SPOKEN_ARGUMENTS_MAX];
};

static __always_inline void head(struct wire_header *header, __u32 size, __u32 type, __u32 lane) {
  header->size = size;
  header->type = type;
  header->lane = lane;
  header->cpu = bpf_get_smp_processor_id();
  header->at_ns = bpf_ktime_get_boot_ns();
}

static __always_inline void emit(__u32 lane, void *record, __u32 size) {
  long failed = lane == LANE_VITAL ? bpf_ringbuf_output(&vital, record, size, BPF_RB_NO_WAKEUP)
                                   : bpf_ringbuf_output(&other, record, size, BPF_RB_NO_WAKEUP);
  count((failed ? COUNT_LOST : COUNT_RECORDS) + lane);
}

static __always_inline bool is_spared(__u64 id, __u64 kind) {
  struct spared_key key = {.id = id, .kind = kind};
  return bpf_map_lookup_elem(&spared, &key) != NULL;
}

/* The first `bits` of two addresses, four bytes at a time. */
static __always_inline bool same_bits(const __u8 *left, const __u8 *right, __u32 bits) {
  for (int i = 0; i < 4; i++) {
    __u32 a, b;
    __builtin_memcpy(&a, left + 4 * i, 4);
    __builtin_memcpy(&b, right + 4 * i, 4);
    __u32 here = bits > 32 ? 32 : bits;
    __u32 mask = here ? __builtin_bswap32(0xffffffffU << ((32 - here) & 31)) : 0;
    if ((a ^ b) & mask) return false;
    bits -= here;
  }
  return true;
}

/* One entry of EXCEPTIONS against who is judged (pid), who holds the other end, and the peer in scratch.conn. */
__attribute__((noinline)) int excepted(__u32 who, __u32 index, __u32 rule, __u32 pid, __u32 holder) {
  struct scratch *s = scratch_of(who);
  struct policy_exempt *e = bpf_map_lookup_elem(&exempt, &index);
  if (!s || !e || !(e->rules & (1u << (rule & 31)))) return 0;
  struct process *p = bpf_map_lookup_elem(&processes, &pid);
  struct process *h = bpf_map_lookup_elem(&processes, &holder);
  if (e->inode && !(p && p->exe_inode == e->inode && p->exe_device == e->device) &&
      !(h && h->exe_inode == e->inode && h->exe_device == e->device))
    return 0;
  if (e->uid != 0xffffffff && !(p && p->uid == e->uid)) return 0;
  if (e->port && e->port != s->conn.remote_port && e->port != s->conn.local_port) return 0;
  if (e->family && (e->family != s->conn.family || !same_bits(e->address, s->conn.remote_address, e->prefix_bits))) return 0;
  return 1;
}

/* Whether the kernel must leave this one to the daemon. */
__attribute__((noinline)) int pardoned(__u32 who, __u32 rule, __u32 pid, __u32 holder) {
  struct settings *set = the_settings();
  if (!set) return 1;
  struct process *p = bpf_map_lookup_elem(&processes, &pid);
  struct process *h = bpf_map_lookup_elem(&processes, &holder);
  __u32 bits = (p ? p->program : 0) | (h ? h->program : 0);
  if (bits & (PROGRAM_EXEMPT | PROGRAM_SPARED)) return 1;
  if (is_spared(pid, SPARED_PROCESS) || (holder && is_spared(holder, SPARED_PROCESS))) return 1;
  if (p && is_spared(p->uid, SPARED_UID)) return 1;
  if (h && is_spared(h->uid, SPARED_UID)) return 1;
  for (int level = 1; level < 8; level++) {
    __u64 group = bpf_get_current_ancestor_cgroup_id(level);
    if (group && is_spared(group, SPARED_CGROUP)) return 1;
  }
  for (__u32 i = 0; i < 64; i++) {
    if (i >= set->exempts) break;
    if (excepted(who, i, rule, pid, holder)) return 1;
  }
  return 0;
}

#define QUIETLY (1U << 25)

enum judged { JUDGED_NOTHING = 0, JUDGED_STOP = 1, JUDGED_REHEARSED = 2, JUDGED_ASKED = 3 };

/* `how`: rule | shape << 8 | stage << 16 | certain << 24 | quiet << 25. Says it, unless it is to be quiet, and answers whether the
 * caller must stop it. */
__attribute__((noinline)) int judge(__u32 who, __u32 how, __u64 socket, __u32 holder, __u32 pid) {
  struct scratch *s = scratch_of(who);
  struct settings *set = the_settings();
  if (!s || !set) return JUDGED_NOTHING;
  __u32 rule = how & 7, certain = how >> 24 & 1;
  __u32 mode = set->rules[rule];
  if (mode == RULE_OFF) return JUDGED_NOTHING;
  describe_socket(who, socket);
  describe_task(who, (__u64)bpf_get_current_task(), pid);
  struct connection *c = bpf_map_lookup_elem(&connections, &socket);
  /* A block is an order, and nobody dies of it: whoever tries is refused. */
  if (certain && rule != RULE_BLOCK && pardoned(who, rule, pid, holder)) certain = 0;
  bool stop = certain && mode == RULE_ENFORCE;
  if (how & QUIETLY) {
    count(certain ? COUNT_VERDICTS : COUNT_ASKS);
    return stop ? JUDGED_STOP : certain ? JUDGED_REHEARSED : JUDGED_ASKED;
  }
  struct spoken *out = bpf_ringbuf_reserve(&urgent, sizeof *out, 0);
  if (stop && c) {
    c->condemned = 1;
    c->hold_until_ns = NEVER;
  }
  __u64 now = bpf_ktime_get_boot_ns();
  bool held = false;
  if (!certain && c && set->hold && mode == RULE_ENFORCE && !c->condemned) {
    held = true;
    if (!c->hold_until_ns) {
      c->held_since_ns = now;
      c->hold_until_ns = now + set->hold_ns;
    }
  }
  count(certain ? COUNT_VERDICTS : COUNT_ASKS);
  if (!out) {
    count(COUNT_LOST + LANE_URGENT);
    return stop ? JUDGED_STOP : JUDGED_NOTHING;
  }
  count(COUNT_RECORDS + LANE_URGENT);
  struct process *h = bpf_map_lookup_elem(&processes, &holder);
  struct wire_verdict *v = &out->what.verdict;
  __builtin_memset(&out->what, 0, sizeof out->what);
  v->task = s->task;
  v->conn = s->conn;
  v->fds[0] = s->looks[0].fd;
  v->fds[1] = s->looks[1].fd;
  v->fds[2] = s->looks[2].fd;
  v->holder_pid = holder;
  v->generation = set->generation;
  v->holder_start_ns = h ? h->start_ns : 0;
  __u32 length = s->words.length;
  if (length > SPOKEN_ARGUMENTS_MAX) length = SPOKEN_ARGUMENTS_MAX;
  bpf_probe_read_kernel(out->arguments, SPOKEN_ARGUMENTS_MAX, s->record + ARGUMENTS_AT);
  __u8 shape = how >> 8, stage = how >> 16;
  if (certain) {
    v->rule = rule;
    v->shape = shape;
    v->stage = stage;
    v->action = stop ? (who == SCRATCH_CONNECT ? ACTION_REFUSED : who == SCRATCH_EGRESS ? ACTION_DROPPED : ACTION_KILLED)
                     : ACTION_REHEARSED;
    v->arguments_length = length;
    head(&v->header, sizeof *out, WIRE_VERDICT, LANE_URGENT);
  } else {
    struct wire_ask *a = &out->what.ask;
    a->id = socket;
    a->shape = shape;
    a->stage = stage;
    a->held = held;
    a->arguments_length = length;
    head(&a->header, sizeof *out, WIRE_ASK, LANE_URGENT);
  }
  bpf_ringbuf_submit(out, BPF_RB_FORCE_WAKEUP);
  return certain ? (stop ? JUDGED_STOP : JUDGED_REHEARSED) : JUDGED_ASKED;
}

/* Questions that are no more than a suspicion: so many a second, that nobody keeps the daemon busy with them. */
static __always_inline bool may_ask(struct settings *set) {
  __u64 now = bpf_ktime_get_boot_ns();
  if (now - set->asked_since_ns > 1000000000ULL) {
    set->asked_since_ns = now;
    set->asked = 0;
  }
  return set->asked++ < ASKED_PER_SECOND_MAX;
}

/* A program that is refused tries again, thousands of times a second if it likes: refused each time, told only so often. */
static __always_inline bool tells_refusal(struct process *p) {
  __u64 now = bpf_ktime_get_boot_ns();
  if (now - p->refused_since_ns > 1000000000ULL) {
    p->refused_since_ns = now;
    p->refused = 0;
  }
  if (p->refused >= REFUSALS_TOLD_MAX) return false;
  p->refused++;
  return true;
}

#define HOW(rule, shape, stage, certain) ((rule) | (shape) << 8 | (stage) << 16 | (__u32)(certain) << 24)

static __always_inline __u32 rule_of(struct connection *c) {
  return c && c->direction == 2 ? RULE_BIND_SHELL : RULE_REVERSE_SHELL;
}

/*
 * What it executes from now on dies too: a retry loop is one incident. Only code without a file of its own, and tools made to
 * relay; a service that was misused loses a shell and a connection, and goes on.
 */
static __always_inline void condemn(__u32 pid) {
  struct process *p = bpf_map_lookup_elem(&processes, &pid);
  if (!p || (p->program & (PROGRAM_LOGIN | PROGRAM_EXEMPT | PROGRAM_SPARED)) || is_spared(pid, SPARED_PROCESS)) return;
  if ((p->program & PROGRAM_RELAY) || (p->state & (TASK_INLINE | TASK_STDIN | TASK_MEMFD | TASK_DELETED | TASK_TEMPORARY)))
    p->state |= TASK_CONDEMNED;
}

/* With the one that is stopped goes who held the other end; only when it is really stopped. */
static __always_inline int with_holder(__u32 holder, int judged) {
  if (judged == JUDGED_STOP && holder) condemn(holder);
  return judged;
}

static __always_inline bool stops_with(__u32 holder, int judged) { return with_holder(holder, judged) == JUDGED_STOP; }

#endif
