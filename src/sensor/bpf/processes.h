/* Processes: fork, exec, exit. What an exec completes is in exec_shapes.h. */
#ifndef ALGO_PROCESSES_H
#define ALGO_PROCESSES_H

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
  p->refused = 0;
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
