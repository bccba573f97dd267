/* Processes: fork, exec, exit. At exec most shapes are complete, before the new program runs its first instruction. */
#ifndef ALGO_PROCESSES_H
#define ALGO_PROCESSES_H

#define ANCESTORS_MAX 4

static __always_inline void stop_current(void) { bpf_send_signal(SIGKILL); }

/* A record for a process that was there before us: what its file tells, and nothing of its past. */
static __always_inline struct process *adopt(__u32 who, struct task_struct *task, __u32 pid, struct settings *set) {
  struct process *known = bpf_map_lookup_elem(&processes, &pid);
  if (known) return known;
  struct scratch *s = scratch_of(who);
  if (!s) return NULL;
  struct process *p = &s->process;
  __builtin_memset(p, 0, sizeof *p);
  p->pid = pid;
  p->start_ns = start_of(task);
  p->state = TASK_ORPHAN_EXEC;
  p->parent = pid_of(BPF_CORE_READ(task, group_leader, real_parent), set);
  const struct cred *cred = BPF_CORE_READ(task, cred);
  p->uid = BPF_CORE_READ(cred, euid.val);
  p->capabilities = capabilities_of(cred);
  note_namespaces(p, task, cred);
  struct mm_struct *mm = BPF_CORE_READ(task, mm);
  struct file *exe = mm ? BPF_CORE_READ(mm, exe_file) : NULL;
  if (exe) {
    file_identity(exe, &p->exe_inode, &p->exe_device);
    p->program = class_of(p->exe_inode, p->exe_device, NULL);
    p->suspect = (p->program & PROGRAM_RELAY) || !(p->program & PROGRAM_VERIFIED);
  }
  if (bpf_map_update_elem(&processes, &pid, p, BPF_NOEXIST)) count(COUNT_UNTRACKED);
  else count(COUNT_PROCESSES_IN);
  return bpf_map_lookup_elem(&processes, &pid);
}

SEC("raw_tp/sched_process_fork")
int on_fork(struct bpf_raw_tracepoint_args *ctx) {
  struct task_struct *parent = (struct task_struct *)ctx->args[0], *child = (struct task_struct *)ctx->args[1];
  struct settings *set = the_settings();
  if (!set) return 0;
  if (set->level < 0) {
    /* Whose level is ours: the sensor forks once to be seen. */
    struct { __u32 pid, tgid; } inside = {};
    if (bpf_get_ns_current_pid_tgid(set->namespace_device, set->namespace_inode, (void *)&inside, sizeof inside) == 0 &&
        inside.tgid == set->sensor_pid) {
      struct pid *own = BPF_CORE_READ(parent, thread_pid);
      set->level = BPF_CORE_READ(own, level);
    }
    return 0;
  }
  if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid)) return 0;
  __u32 pid = pid_of(child, set), parent_pid = pid_of(parent, set);
  if (!pid) return 0;
  struct scratch *s = scratch_of(SCRATCH_OTHER);
  if (!s) return 0;
  struct process *from = parent_pid ? adopt(SCRATCH_OTHER, parent, parent_pid, set) : NULL;
  struct process *p = &s->process;
  if (from) *p = *from;
  else __builtin_memset(p, 0, sizeof *p);
  p->pid = pid;
  p->parent = parent_pid;
  p->start_ns = BPF_CORE_READ(child, start_boottime);
  p->asked = 0;
  if (bpf_map_update_elem(&processes, &pid, p, BPF_ANY)) count(COUNT_UNTRACKED);
  else count(COUNT_PROCESSES_IN);
  struct wire_fork record = {.pid = pid, .parent_pid = parent_pid, .start_ns = p->start_ns,
                             .parent_start_ns = from ? from->start_ns : 0};
  head(&record.header, sizeof record, WIRE_FORK, LANE_VITAL);
  emit(LANE_VITAL, &record, sizeof record);
  return 0;
}

SEC("raw_tp/sched_process_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx) {
  struct task_struct *task = (struct task_struct *)ctx->args[0];
  struct settings *set = the_settings();
  if (!set || BPF_CORE_READ(task, signal, live.counter) != 0) return 0;
  __u32 pid = pid_of(task, set);
  if (!pid) return 0;
  struct signal_struct *signal = BPF_CORE_READ(task, signal);
  __u32 group = BPF_CORE_READ(signal, group_exit_code);
  struct wire_exit record = {.pid = pid,
                             .status = group ? group : BPF_CORE_READ(task, exit_code),
                             .start_ns = start_of(task),
                             .user_ns = BPF_CORE_READ(signal, utime) + BPF_CORE_READ(task, utime),
                             .system_ns = BPF_CORE_READ(signal, stime) + BPF_CORE_READ(task, stime)};
  head(&record.header, sizeof record, WIRE_EXIT, LANE_VITAL);
  emit(LANE_VITAL, &record, sizeof record);
  if (!bpf_map_delete_elem(&processes, &pid)) count(COUNT_PROCESSES_OUT);
  return 0;
}

static __always_inline bool begins(const __u8 *text, const char *with, int length) {
  for (int i = 0; i < length; i++)
    if (text[i] != with[i]) return false;
  return true;
}

/* The directory, leaf first, each name followed by `/`: the daemon turns it round. */
__attribute__((noinline)) int read_directory(__u32 who, __u32 at, __u64 task_address) {
  struct scratch *s = scratch_of(who);
  if (!s) return 0;
  struct dentry *entry = BPF_CORE_READ((struct task_struct *)task_address, fs, pwd.dentry);
  s->words.position = 0;
  for (int depth = 0; depth < 12 && entry; depth++) {
    struct dentry *parent = BPF_CORE_READ(entry, d_parent);
    if (parent == entry) return s->words.position;
    __u32 to = at + s->words.position;
    if (s->words.position > 384 || to > WIRE_RECORD_MAX - 256) break;
    long got = bpf_probe_read_kernel_str(s->record + to, 96, BPF_CORE_READ(entry, d_name.name));
    if (got <= 0) break;
    s->words.position += got; /* with the zero, which parts the names */
    entry = parent;
  }
  ((struct wire_exec *)s->record)->flags |= EXEC_DIRECTORY_CUT;
  return s->words.position;
}

/* TASK_TEMPORARY or TASK_MEMFD by the path handed to exec. */
__attribute__((noinline)) int place_of(__u32 who, __u32 at) {
  struct scratch *s = scratch_of(who);
  if (!s || at > WIRE_RECORD_MAX - 512) return 0;
  const __u8 *path = s->record + at;
  if (begins(path, "/tmp/", 5) || begins(path, "/var/tmp/", 9) || begins(path, "/dev/shm/", 9)) return TASK_TEMPORARY;
  return begins(path, "memfd:", 6) || begins(path, "/memfd:", 7) ? TASK_MEMFD : 0;
}

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

/* Notes which ends of channels the process stands at; also what it hears through them. */
__attribute__((noinline)) int stand_at_ends(__u32 who, __u64 table, __u32 pid) {
  struct scratch *s = scratch_of(who);
  struct process *p = bpf_map_lookup_elem(&processes, &pid);
  if (!s || !p) return 0;
  /* `sh <(...)`, `sh /dev/fd/63`: its commands come from there, not from its standard input. */
  __u32 number = p->shell && s->words.operand_at ? number_at(s, ARGUMENTS_AT, s->words.operand_at + 8) : 0;
  if (number && is_channel(look_at(who, table, number, 3))) {
    p->input = s->looks[3].id;
    p->input_kind = s->looks[3].fd.kind;
  }
  struct end end = {.tgid = pid};
  struct end_key key = {.id = p->input, .output = 0};
  if (p->input_kind == FD_PIPE || p->input_kind == FD_FIFO || p->input_kind == FD_UNIX || p->input_kind == FD_PTS) bpf_map_update_elem(&ends, &key, &end, BPF_ANY);
  key = (struct end_key){.id = p->output, .output = 1};
  bool answers = p->output_kind == FD_INET && p->shell;
  if (p->output_kind == FD_PIPE || p->output_kind == FD_FIFO || answers) bpf_map_update_elem(&ends, &key, &end, BPF_ANY);

  /* A pipeline that ends where it began hears what its first process hears. */
  if (!p->connection && p->input && p->output) {
    key = (struct end_key){.id = p->input, .output = 1};
    struct end *far = bpf_map_lookup_elem(&ends, &key);
    struct process *writer = far ? bpf_map_lookup_elem(&processes, &far->tgid) : NULL;
    if (writer && writer->connection && writer->input == p->output) p->connection = writer->connection;
  }
  return 0;
}

SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx) {
  struct task_struct *task = (struct task_struct *)ctx->args[0];
  struct linux_binprm *program_to_be = (struct linux_binprm *)ctx->args[2];
  struct settings *set = the_settings();
  if (!set) return 0;
  __u32 pid = pid_of(task, set);
  struct scratch *s = scratch_of(SCRATCH_EXEC);
  if (!pid || !s) return 0;
  struct process *p = adopt(SCRATCH_EXEC, task, pid, set);
  if (!p) return 0;

  /* The file. */
  struct mm_struct *mm = BPF_CORE_READ(task, mm);
  struct file *exe = BPF_CORE_READ(mm, exe_file);
  file_identity(exe, &p->exe_inode, &p->exe_device);
  struct program *known = NULL;
  __u32 program = class_of(p->exe_inode, p->exe_device, &known);
  if (!(program & ~(PROGRAM_KNOWN | PROGRAM_VERIFIED))) {
    /* A copy of a known program under another name: the head of the file is still in the kernel's hands. */
    struct copy_key copy = {};
    const char *file = __builtin_preserve_access_index(&program_to_be->buf[0]);
    bpf_probe_read_kernel(&copy.entry, 8, file + 24);
    bpf_probe_read_kernel(&copy.sections, 8, file + 40);
    struct program *original = copy.sections ? bpf_map_lookup_elem(&copies, &copy) : NULL;
    if (original) {
      known = original;
      program |= original->program;
    }
  }
  struct wire_exec *record = (struct wire_exec *)s->record;
  __builtin_memset(record, 0, sizeof *record);
  p->state &= TASK_CONNECTED | TASK_LISTENED | TASK_ACCEPTED | TASK_RECEIVED | TASK_REMOTE_FIRST | TASK_CONDEMNED | TASK_LINEAGE;
  if (BPF_CORE_READ(exe, f_inode, i_nlink) == 0) p->state |= TASK_DELETED;
  if (BPF_CORE_READ(exe, f_inode, i_sb, s_magic) == TMPFS_MAGIC) p->state |= TASK_TEMPORARY;
  if (BPF_CORE_READ(exe, f_inode, i_mode) & 06000) p->state |= TASK_SETUID;

  /* The arguments, as they are before anybody can change them. */
  unsigned long from = BPF_CORE_READ(mm, arg_start);
  __u64 length = BPF_CORE_READ(mm, arg_end) - from;
  if (length > WIRE_TEXT_MAX) {
    length = WIRE_TEXT_MAX;
    record->flags |= EXEC_ARGUMENTS_CUT;
  }
  length &= 0x1fff;
  if (length > WIRE_TEXT_MAX || bpf_probe_read_user(s->record + ARGUMENTS_AT, length, (void *)from)) length = 0;
  s->words.code_letters = known ? known->code_letters : 0;
  s->words.value_letters = known ? known->value_letters : 0;
  s->words.state = 0;
  s->words.code_at = 0;
  s->words.operand_at = 0;
  if (program & PROGRAM_APPLETS) {
    program = (program & ~(PROGRAM_SHELL | PROGRAM_INTERPRETER | PROGRAM_RELAY)) | applet_of(SCRATCH_EXEC, ARGUMENTS_AT);
    s->words.code_letters = program & PROGRAM_SHELL ? 1ULL << (26 + 'c' - 'a') : 0;
  }
  if (program & PROGRAM_INTERPRETER) {
    read_arguments(SCRATCH_EXEC, ARGUMENTS_AT, length, program);
    p->state |= s->words.state & (TASK_INLINE | TASK_STDIN | TASK_SCRIPT | TASK_TEMPORARY);
  } else if (program & PROGRAM_LOADER) p->state |= TASK_STDIN;
  s->words.length = length;

  /* The path as handed over, after the arguments. */
  __u32 at = ARGUMENTS_AT + length;
  if (at > WIRE_RECORD_MAX - 1024) return 0;
  const char *name = BPF_CORE_READ(program_to_be, filename);
  long got = bpf_probe_read_kernel_str(s->record + at, 256, name);
  if (got > 1 && got <= 256) {
    p->state |= place_of(SCRATCH_EXEC, at);
    record->path_length = got - 1;
    at += got - 1;
  }

  /* Its standard descriptors. */
  __u64 table = (__u64)BPF_CORE_READ(task, files);
  look_at(SCRATCH_EXEC, table, 0, 0);
  look_at(SCRATCH_EXEC, table, 1, 1);
  look_at(SCRATCH_EXEC, table, 2, 2);
  p->program = program;
  p->input = s->looks[0].id;
  p->output = s->looks[1].id;
  p->input_kind = s->looks[0].fd.kind;
  p->output_kind = s->looks[1].fd.kind;
  p->shell = (program & (PROGRAM_INTERPRETER | PROGRAM_LOADER)) && (p->state & TASK_STDIN);
  stand_at_ends(SCRATCH_EXEC, table, pid);
  p->suspect = ((program & PROGRAM_INTERPRETER) && (p->state & (TASK_INLINE | TASK_STDIN | TASK_TEMPORARY))) ||
               (program & (PROGRAM_RELAY | PROGRAM_LOADER)) || !(program & PROGRAM_VERIFIED);
  const struct cred *cred = BPF_CORE_READ(task, cred);
  __u32 uid = BPF_CORE_READ(cred, euid.val);
  __u32 before_uid = p->uid;
  __u64 capabilities = capabilities_of(cred), before = p->capabilities;
  p->uid = uid;
  p->capabilities = capabilities;
  s->pid = pid;

  describe_task(SCRATCH_EXEC, (__u64)task, pid);
  record->task = s->task;
  record->fds[0] = s->looks[0].fd;
  record->fds[1] = s->looks[1].fd;
  record->fds[2] = s->looks[2].fd;
  __u64 socket = s->looks[0].socket ? s->looks[0].socket : s->looks[1].socket ? s->looks[1].socket : s->looks[2].socket;
  if (describe_socket(SCRATCH_EXEC, socket)) record->conn = s->conn;
  record->arguments_length = length;
  record->directory_length = read_directory(SCRATCH_EXEC, at, (__u64)task);
  __u32 size = (at + record->directory_length + 7) & 0x1ff8;
  head(&record->header, size, WIRE_EXEC, LANE_VITAL);
  emit(LANE_VITAL, record, size);
  __u32 what = left_namespaces(p, &s->task);
  if (uid == 0 && before_uid != 0 && !(p->state & TASK_SETUID)) what |= CHANGE_UID;
  if (what) changed(s, before_uid, before, what);
  return 0;
}

/* A program of its own: what the verifier can take of one was all used above. Runs right after it, on the same processor. */
SEC("raw_tp/sched_process_exec")
int on_exec_judged(struct bpf_raw_tracepoint_args *ctx) {
  struct settings *set = the_settings();
  struct scratch *s = scratch_of(SCRATCH_EXEC);
  if (!set || !s) return 0;
  __u32 pid = pid_of((struct task_struct *)ctx->args[0], set);
  if (!pid || s->pid != pid) return 0;
  if (judge_exec(ctx->args[0], pid)) stop_current();
  return 0;
}

#endif
