/* What an exec completes: the shapes of docs/sensor.md that are judged before the new program runs its first instruction. */
#ifndef ALGO_EXEC_SHAPES_H
#define ALGO_EXEC_SHAPES_H

#define ANCESTORS_MAX 4

/* The nearest process above that holds both an end of `channel` and a connection; its socket in looks[3]. */
__attribute__((noinline)) int find_holder(__u32 who, __u64 task_address, __u64 channel) {
  struct settings *set = the_settings();
  struct task_struct *task = (struct task_struct *)task_address;
  if (!set || !channel) return 0;
  for (int i = 0; i < ANCESTORS_MAX; i++) {
    task = BPF_CORE_READ(task, group_leader, real_parent);
    if (!task) return 0;
    __u32 pid = pid_of(task, set);
    if (pid <= 1) return 0;
    if (holds(who, (__u64)BPF_CORE_READ(task, files), channel) == 3) return pid;
  }
  return 0;
}

/*
 * What this exec completes. The record of the process is in the map already; looks[0..2] and words are filled.
 * Answers whether it must die.
 */
__attribute__((noinline)) int judge_exec(__u64 task, __u32 pid) {
  struct scratch *s = scratch_of(SCRATCH_EXEC);
  struct process *p = bpf_map_lookup_elem(&processes, &pid);
  if (!s || !p) return 0;
  __u32 program = p->program, length = s->words.length;
  if (p->state & TASK_CONDEMNED)
    return judge(SCRATCH_EXEC, HOW(RULE_REVERSE_SHELL, SHAPE_CONDEMNED, STAGE_EXEC, 1), p->connection, p->parent, pid) == JUDGED_STOP;
  if (program & PROGRAM_CONDEMNED)
    return judge(SCRATCH_EXEC, HOW(RULE_BLOCK, SHAPE_NAMED, STAGE_EXEC, 1), 0, 0, pid) == JUDGED_STOP;
  struct connection *lineage = p->connection ? bpf_map_lookup_elem(&connections, &p->connection) : NULL;
  bool interpreter = program & (PROGRAM_INTERPRETER | PROGRAM_LOADER);
  bool obeys = interpreter && (!(p->state & TASK_SCRIPT) || (p->state & TASK_TEMPORARY));
  bool foreign = !(program & PROGRAM_VERIFIED);
  __u64 first = s->looks[0].socket, second = s->looks[1].socket ? s->looks[1].socket : s->looks[2].socket;

  /* Its own input and output are a connection. */
  if (first && second) {
    struct connection *c = bpf_map_lookup_elem(&connections, &first);
    bool outgoing = s->looks[0].fd.flags & FD_OUTGOING;
    bool listened = p->state & TASK_LINEAGE;
    bool ours = outgoing ? (obeys || (foreign && c && c->suspect)) : listened && (obeys || foreign);
    __u32 rule = outgoing ? RULE_REVERSE_SHELL : RULE_BIND_SHELL;
    if (!outgoing && !c) {
      bpf_map_update_elem(&connections, &first, fresh_connection(s, 2, 6, listened, 0, 0), BPF_NOEXIST);
      c = bpf_map_lookup_elem(&connections, &first);
    }
    if (ours) {
      __u32 opener = c && c->opener_pid && c->opener_pid != pid ? c->opener_pid : 0;
      return stops_with(opener, judge(SCRATCH_EXEC, HOW(rule, interpreter ? SHAPE_DIRECT : SHAPE_FOREIGN, STAGE_EXEC, 1), first, opener, pid));
    }
    if (interpreter || foreign) {
      judge(SCRATCH_EXEC, HOW(rule, foreign && !interpreter ? SHAPE_UNKNOWN_PROGRAM : SHAPE_PENDING, STAGE_EXEC, 0), first, 0, pid);
      return false;
    }
  }

  /* What is executed is what was heard. */
  if (lineage && lineage->heard_length && (lineage->suspect || is_unspoken(lineage))) {
    __u32 from = (program & PROGRAM_SHELL) && (p->state & TASK_INLINE) ? s->words.code_at : 0;
    if (echoes(SCRATCH_EXEC, p->connection, from, length, lineage->remote_first)) {
      __u32 opener = lineage->opener_pid == pid ? 0 : lineage->opener_pid;
      return stops_with(opener, judge(SCRATCH_EXEC, HOW(rule_of(lineage), SHAPE_ECHO, STAGE_EXEC, 1), p->connection, opener, pid));
    }
  }

  /* TLS inside of code without a file: who was greeted, and said nothing, starts a program and takes its output. */
  if (lineage && lineage->suspect && is_only_agreed(lineage) && is_channel(p->output_kind)) {
    __u32 holder = find_holder(SCRATCH_EXEC, task, p->output);
    struct process *h = holder ? bpf_map_lookup_elem(&processes, &holder) : NULL;
    if (h && s->looks[3].socket == p->connection && (h->state & (TASK_INLINE | TASK_STDIN | TASK_MEMFD | TASK_DELETED | TASK_TEMPORARY)))
      return stops_with(holder, judge(SCRATCH_EXEC, HOW(RULE_REVERSE_SHELL, SHAPE_COMMAND, STAGE_EXEC, 1), p->connection, holder, pid));
  }

  /* A shell's output feeds a connector whose output feeds the shell. */
  bool piped_out = p->output_kind == FD_PIPE || p->output_kind == FD_FIFO || p->output_kind == FD_UNIX || p->output_kind == FD_INET;
  if (p->shell && p->output && piped_out) {
    struct end_key key = {.id = p->output, .output = 0};
    struct end *far = bpf_map_lookup_elem(&ends, &key);
    struct process *connector = far ? bpf_map_lookup_elem(&processes, &far->tgid) : NULL;
    if (connector && connector->pid != pid && connector->connection && connector->input == p->output && bpf_map_lookup_elem(&connections, &connector->connection)) {
      bool certain = closes_loop(SCRATCH_EXEC, task, connector->pid, pid);
      int judged = judge(SCRATCH_EXEC, HOW(RULE_REVERSE_SHELL, certain ? SHAPE_LOOP : SHAPE_PENDING, STAGE_EXEC, certain), connector->connection, connector->pid, pid);
      return stops_with(connector->pid, judged);
    }
    /* `cat <&5 | sh >&5`: the writer's input is the connection that the shell answers on. */
    key = (struct end_key){.id = p->input, .output = 1};
    far = second ? bpf_map_lookup_elem(&ends, &key) : NULL;
    struct process *writer = far ? bpf_map_lookup_elem(&processes, &far->tgid) : NULL;
    struct connection *c = second ? bpf_map_lookup_elem(&connections, &second) : NULL;
    if (writer && c && c->suspect && writer->input == second)
      return judge(SCRATCH_EXEC, HOW(rule_of(c), SHAPE_LOOP, STAGE_EXEC, 1), second, writer->pid, pid) == JUDGED_STOP;
  }
  /* `read -r l <&3; sh <<<"$l" >&3`, `head <&3 >f; sh f >&3`: it answers to who spoke first and was not answered yet. */
  if ((program & PROGRAM_SHELL) && second && !first) {
    struct connection *c = bpf_map_lookup_elem(&connections, &second);
    if (c && c->suspect && c->remote_first && c->first_received_ns && BPF_CORE_READ((struct tcp_sock *)second, bytes_sent) == 0)
      return judge(SCRATCH_EXEC, HOW(rule_of(c), SHAPE_COMMAND, STAGE_EXEC, 1), second, c->opener_pid, pid) == JUDGED_STOP;
  }

  /* A shell told to read commands from a channel of something above it that has a connection. */
  int kind = s->looks[0].fd.kind;
  bool channel = kind == FD_PIPE || kind == FD_FIFO || kind == FD_UNIX || kind == FD_PTS;
  bool reads = interpreter && (p->state & TASK_STDIN);
  if (channel && (reads || (!program && foreign)) && has_suspect_lineage(pid)) {
    __u32 holder = find_holder(SCRATCH_EXEC, task, s->looks[0].id);
    struct process *h = holder ? bpf_map_lookup_elem(&processes, &holder) : NULL;
    __u64 socket = s->looks[3].socket;
    struct connection *c = bpf_map_lookup_elem(&connections, &socket);
    /* Whatever it is: with a connection that this host opened as its own input it carries what comes from there. */
    bool carries = h && h->input == socket && c && c->direction == 1;
    if (h && (h->suspect || carries)) {
      if (!c) {
        bpf_map_update_elem(&connections, &socket, fresh_connection(s, 2, 6, 1, holder, h->start_ns), BPF_NOEXIST);
        c = bpf_map_lookup_elem(&connections, &socket);
      }
      bool tool = h->program & PROGRAM_RELAY;
      /* Nothing asked for, or nothing answered yet: no client at work. */
      bool silent = (c && c->direction == 1 && !c->first_received_ns) ||
                    (c && is_only_agreed(c)) ||
                    (c && c->protocol == 17 ? c->sent_packets <= 1 : BPF_CORE_READ((struct tcp_sock *)socket, bytes_sent) <= 16);
      bool code = h->state & (TASK_INLINE | TASK_STDIN | TASK_MEMFD | TASK_DELETED | TASK_TEMPORARY);
      bool certain = reads && (tool || carries || (code && (silent || h->input == socket)));
      __u32 shape = tool ? SHAPE_RELAY_TOOL : certain ? SHAPE_RELAY_TOOL : SHAPE_CHILD;
      return stops_with(holder, judge(SCRATCH_EXEC, HOW(rule_of(c), shape, STAGE_EXEC, certain), socket, holder, pid));
    }
  }
  /* A shell of a tool made to relay, whose connection is another's: relayed once more (`socat unix-listen:... exec:sh`). */
  struct process *parent = bpf_map_lookup_elem(&processes, &p->parent);
  struct settings *set = the_settings();
  if (channel && reads && parent && (parent->program & PROGRAM_RELAY) && set && may_ask(set))
    judge(SCRATCH_EXEC, HOW(RULE_REVERSE_SHELL, SHAPE_CHILD, STAGE_EXEC, 0), 0, parent->pid, pid);
  return false;
}

#endif
