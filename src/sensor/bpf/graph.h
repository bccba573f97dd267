/* Who stands at the other end: questions that need more than one process. */
#ifndef ALGO_GRAPH_H
#define ALGO_GRAPH_H

#define SIBLINGS_MAX 24
#define PROMPT_BYTES_MAX 64
#define AGREEMENT_BYTES_MAX 140 /* a client's last flight: 64 to 80 bytes in TLS 1.3, up to 126 in TLS 1.2 */

static __always_inline bool is_channel(int kind) { return kind == FD_PIPE || kind == FD_FIFO || kind == FD_UNIX; }

/* Opened here, and nothing said over it but a prompt: who obeys what comes now asked for nothing. */
static __always_inline bool is_unspoken(struct connection *c) {
  return c->direction == 1 && c->protocol == 6 && (!c->sent_packets || (c->prompted && c->sent_packets == 1));
}

/* TLS was agreed on, and nothing said over it: a greeting, then no more than ends the agreement; what came since was read. */
static __always_inline bool is_only_agreed(struct connection *c) {
  return c->direction == 1 && c->tls && c->taken && c->sent_packets == 2 && c->sent_bytes <= AGREEMENT_BYTES_MAX;
}

/* The task with our number `pid` among the children of `task`'s parent; its descriptors are asked for `channel`. */
__attribute__((noinline)) int sibling_holds(__u32 who, __u64 task_address, __u32 pid, __u64 channel) {
  struct settings *set = the_settings();
  struct task_struct *task = (struct task_struct *)task_address;
  if (!set || !task || !channel) return 0;
  struct task_struct *parent = BPF_CORE_READ(task, group_leader, real_parent);
  if (!parent) return 0;
  struct list_head *first = __builtin_preserve_access_index(&parent->children);
  struct list_head *entry = BPF_CORE_READ(parent, children.next);
  __u64 offset = bpf_core_field_offset(struct task_struct, sibling);
  for (int i = 0; i < SIBLINGS_MAX; i++) {
    if (!entry || entry == first) return 0;
    struct task_struct *child = (struct task_struct *)((__u64)entry - offset);
    if (pid_of(child, set) == pid) return holds(who, (__u64)BPF_CORE_READ(child, files), channel) & 1;
    entry = BPF_CORE_READ(entry, next);
  }
  return 0;
}

/*
 * shell | connector: does what the connector gives out reach the shell? Either it is the shell's very input, or the one
 * that writes the shell's input holds it (`cat /tmp/f | sh | nc > /tmp/f`). `task` is one of the two.
 */
__attribute__((noinline)) int closes_loop(__u32 who, __u64 task_address, __u32 connector_pid, __u32 shell_pid) {
  struct process *connector = bpf_map_lookup_elem(&processes, &connector_pid);
  struct process *shell = bpf_map_lookup_elem(&processes, &shell_pid);
  if (!connector || !shell || !connector->output || !shell->input) return 0;
  if (shell->input == connector->output) return 1;
  struct end_key key = {.id = shell->input, .output = 1};
  struct end *far = bpf_map_lookup_elem(&ends, &key);
  struct process *writer = far ? bpf_map_lookup_elem(&processes, &far->tgid) : NULL;
  if (!writer || writer->output != shell->input) return 0;
  if (writer->input == connector->output) return 1;
  return sibling_holds(who, task_address, writer->pid, connector->output);
}

/* Has this one, or one of four above it as they are now, a connection or a listener of suspicious make? */
__attribute__((noinline)) int has_suspect_lineage(__u32 pid) {
  for (int i = 0; i < 5; i++) {
    struct process *p = bpf_map_lookup_elem(&processes, &pid);
    if (!p) return 0;
    if (p->state & TASK_LINEAGE) return 1;
    struct connection *c = p->connection ? bpf_map_lookup_elem(&connections, &p->connection) : NULL;
    if (c && c->suspect) return 1;
    pid = p->parent;
    if (pid <= 1) return 0;
  }
  return 0;
}

/* A shell that reads its commands from a channel of this table: the master of its terminal, a pipe, a pair. Its pid. */
__attribute__((noinline)) int find_shell(__u32 who, __u64 table, __u32 own) {
  struct scratch *s = scratch_of(who);
  if (!s || !table) return 0;
  for (__u32 fd = 0; fd < 40; fd++) {
    int kind = look_at(who, table, fd, 3);
    if (kind != FD_PTMX && kind != FD_PIPE && kind != FD_FIFO && kind != FD_UNIX) continue;
    struct end_key key = {.id = s->looks[3].id, .output = 0};
    struct end *end = bpf_map_lookup_elem(&ends, &key);
    if (!end || end->tgid == own) continue;
    struct process *shell = bpf_map_lookup_elem(&processes, &end->tgid);
    if (shell && shell->shell && shell->input == key.id) return shell->pid;
  }
  return 0;
}

/* Does a table hold the end that hears what is written into `channel`: a pipe's reading end, a terminal's master, the other
 * half of a pair? What is on 1 and 2 was inherited with the shell and hears nothing. */
__attribute__((noinline)) int hears(__u32 who, __u64 table, __u64 channel) {
  struct scratch *s = scratch_of(who);
  if (!s || !table || !channel) return 0;
  for (__u32 fd = 0; fd < 40; fd++) {
    int kind = look_at(who, table, fd, 3);
    if (s->looks[3].id != channel) continue;
    if (kind == FD_PTMX || (kind == FD_UNIX && fd > 2)) return 1;
    if ((kind == FD_PIPE || kind == FD_FIFO) && (s->looks[3].fd.flags & FD_READABLE)) return 1;
  }
  return 0;
}

#endif
