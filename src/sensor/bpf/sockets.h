/*
 * Connections: opened, listened for, first bytes, closed. A connection's receive hook runs in its process before the
 * bytes come back to user space; it takes the place of any hook on dup.
 */
#ifndef ALGO_SOCKETS_H
#define ALGO_SOCKETS_H

static __always_inline void emit_socket(__u32 who, __u32 type, struct task_struct *task, struct process *p, struct settings *set) {
  struct scratch *s = scratch_of(who);
  if (!s) return;
  struct wire_socket *record = (struct wire_socket *)s->record;
  __builtin_memset(record, 0, sizeof *record);
  describe_task(who, (__u64)task, p->pid);
  record->task = s->task;
  record->conn = s->conn;
  bpf_get_current_comm(record->name, sizeof record->name);
  head(&record->header, sizeof *record, type, LANE_VITAL);
  emit(LANE_VITAL, record, sizeof *record);
}


/* The three standard descriptors as they are now, which may differ from those at exec. */
static __always_inline void look_at_standard(__u32 who, struct task_struct *task) {
  __u64 table = (__u64)BPF_CORE_READ(task, files);
  look_at(who, table, 0, 0);
  look_at(who, table, 1, 1);
  look_at(who, table, 2, 2);
}

/* What this connection completes, asked at connect and at the first bytes. `pid` has it; looks[0..2] are its. */
__attribute__((noinline)) int judge_connector(__u32 who, __u64 task_address, __u64 socket, __u32 pid, __u32 stage) {
  struct scratch *s = scratch_of(who);
  struct process *p = bpf_map_lookup_elem(&processes, &pid);
  struct connection *c = bpf_map_lookup_elem(&connections, &socket);
  if (!s || !p || !c) return JUDGED_NOTHING;
  s->words.length = 0;
  int in = s->looks[0].fd.kind, out = s->looks[1].fd.kind;
  bool piped_in = is_channel(in), piped_out = is_channel(out);
  __u32 rule = rule_of(c);
  /* shell | connector */
  struct end_key key = {.id = s->looks[0].id, .output = 1};
  struct end *far = piped_in ? bpf_map_lookup_elem(&ends, &key) : NULL;
  struct process *shell = far ? bpf_map_lookup_elem(&processes, &far->tgid) : NULL;
  if (shell && shell->shell && shell->output == s->looks[0].id) {
    bool certain = piped_out && closes_loop(who, task_address, pid, shell->pid);
    if (certain || c->suspect)
      return with_holder(shell->pid, judge(who, HOW(rule, certain ? SHAPE_LOOP : SHAPE_PENDING, stage, certain), socket, shell->pid, pid));
  }
  /* A pipeline that ends where it began: who reads there hears what comes here. */
  key = (struct end_key){.id = s->looks[1].id, .output = 0};
  far = piped_out && stage == STAGE_CONNECT ? bpf_map_lookup_elem(&ends, &key) : NULL;
  struct process *reader = far ? bpf_map_lookup_elem(&processes, &far->tgid) : NULL;
  if (reader && reader->output == s->looks[0].id && !reader->connection) reader->connection = socket;
  /* connector | shell, whose answers go to a connection */
  key = (struct end_key){.id = s->looks[1].id, .output = 0};
  far = piped_out ? bpf_map_lookup_elem(&ends, &key) : NULL;
  shell = far ? bpf_map_lookup_elem(&processes, &far->tgid) : NULL;
  if (shell && shell->shell && shell->input == s->looks[1].id && stage == STAGE_RECEIVE && c->remote_first) {
    bool answers = shell->output_kind == FD_INET;
    key = (struct end_key){.id = shell->output, .output = 0};
    far = bpf_map_lookup_elem(&ends, &key);
    struct process *second = far ? bpf_map_lookup_elem(&processes, &far->tgid) : NULL;
    if (second && second->input == shell->output && second->connection && bpf_map_lookup_elem(&connections, &second->connection)) answers = true;
    return with_holder(shell->pid, judge(who, HOW(rule, answers ? SHAPE_LOOP : SHAPE_PENDING, stage, answers), socket, shell->pid, pid));
  }
  /* Whoever takes what came: a shell that reads commands from some pipe answers on this very connection. */
  if (stage == STAGE_RECEIVE && c->remote_first && c->suspect) {
    key = (struct end_key){.id = socket, .output = 1};
    far = bpf_map_lookup_elem(&ends, &key);
    shell = far ? bpf_map_lookup_elem(&processes, &far->tgid) : NULL;
    if (shell && shell->shell && shell->output == socket && shell->pid != pid && is_channel(shell->input_kind))
      return with_holder(shell->pid, judge(who, HOW(rule, SHAPE_LOOP, stage, 1), socket, shell->pid, pid));
  }
  /* The shell was there first: on a terminal, a pair or pipes of this one. */
  bool tool = p->program & PROGRAM_RELAY;
  bool code = p->state & (TASK_INLINE | TASK_STDIN | TASK_MEMFD | TASK_DELETED | TASK_TEMPORARY);
  /* Told what to do by who spoke first, and not answered yet: code without a file needs no more. */
  bool commanded = stage == STAGE_RECEIVE && code && c->remote_first && c->receives <= RECEIVES_LOOKED_AT;
  if ((p->suspect && stage == STAGE_CONNECT) || commanded) {
    __u64 table = (__u64)BPF_CORE_READ((struct task_struct *)task_address, files);
    __u32 found = find_shell(who, table, pid);
    shell = found ? bpf_map_lookup_elem(&processes, &found) : NULL;
    /* `printf | nc | sh` does not answer to nc. */
    bool certain = commanded || (tool && shell && hears(who, table, shell->output));
    if (found) return with_holder(found, judge(who, HOW(rule, certain ? SHAPE_RELAY_TOOL : SHAPE_PENDING, stage, certain), socket, found, pid));
  }
  return JUDGED_NOTHING;
}

#define TOLD_MAX 48
#define CALL_MAX 24
#define SAYS(words) says(at, words, sizeof(words) - 1)

static __always_inline bool says(const __u8 *at, const char *words, int length) {
  for (int i = 0; i < length; i++)
    if (at[i] != words[i]) return false;
  return true;
}

/* Up to the end of the line: what a shell reads as more than words. Servers greet in words. */
static __always_inline bool has_syntax(const __u8 *at, int from) {
  for (int i = from; i < TOLD_MAX; i++) {
    __u8 byte = at[i];
    if (byte == '\n' || byte == 0) return false;
    if (byte == '$' || byte == ';' || byte == '|' || byte == '&' || byte == '>' || byte == '<' || byte == '`' || byte == '"' || byte == '\\' || byte == '{') return true;
  }
  return false;
}

/* `echo mark-42`: one word with a digit in it; `echo server ready` is a greeting. */
static __always_inline bool is_mark(const __u8 *at, int from) {
  bool digit = false;
  for (int i = from; i < TOLD_MAX; i++) {
    __u8 byte = at[i];
    if (byte == '\n' || byte == '\r' || byte == 0) return digit && i > from;
    if (byte == ' ') return false;
    if (byte >= '0' && byte <= '9') digit = true;
  }
  return digit;
}

/* A shell obeys these by itself: no program is executed that could be compared. No sentence of a server begins so. */
static __always_inline bool is_builtin(const __u8 *at) {
  if (SAYS("echo ")) return SAYS("echo -") || SAYS("echo '") || has_syntax(at, 5) || is_mark(at, 5);
  if (SAYS("for ") || SAYS("export ") || SAYS("type ") || SAYS("read ") || SAYS("print ") || SAYS("alias ") || SAYS("unset ") || SAYS("exec ")) return has_syntax(at, 4);
  return SAYS("printf ") || SAYS("pwd\n") || SAYS("pwd;") || SAYS("cd /") || SAYS("cd ~") || SAYS("cd $") || SAYS("cd ..") ||
         SAYS("declare -") || SAYS("typeset -") || SAYS("compgen ") || SAYS("eval ") || SAYS("source /") || SAYS(". /") ||
         SAYS("umask\n") || SAYS("umask;") || SAYS("ulimit ") || SAYS("set\n") || SAYS("set;") || SAYS("alias\n") || SAYS("trap '") || SAYS("trap \"") ||
         SAYS("shopt\n") || SAYS("shopt -") || SAYS("mapfile ") || SAYS(": >") || SAYS(":>") || SAYS("[ -") || SAYS("[[ -") || SAYS("[[ $") ||
         SAYS("while :") || SAYS("while [") || SAYS("while true") || SAYS("while read") || SAYS("if [") || SAYS("test -") ||
         SAYS("kill -") || SAYS("$(") || SAYS("builtin ") || SAYS("command -");
}

/* The same in the languages of interpreters. */
static __always_inline bool is_code(const __u8 *at) {
  return SAYS("import os") || SAYS("import su") || SAYS("import so") || SAYS("import sy") || SAYS("import pty") || SAYS("from os ") ||
         SAYS("print $") || SAYS("console.") || SAYS("process.") || SAYS("__import") || SAYS("require '") || SAYS("require \"");
}

/* `name(`, `a.b(`, `a.b "`: a call, in most languages. */
static __always_inline bool is_call(const __u8 *at, int length) {
  for (int i = 0; i < length; i++) {
    __u8 byte = at[i];
    if (byte == '(') return i > 0;
    if (byte == ' ' && i > 0 && i + 1 < length && (at[i + 1] == '"' || at[i + 1] == '\'')) return true;
    if (!is_word(byte) && byte != '.' && byte != '$') return false;
  }
  return false;
}

/*
 * Who opened this connection said nothing over it and is now told what a shell, or an interpreter, does by itself. `pid` is
 * who receives: the shell, what it gave the connection to, or a tool that hands on what comes through a channel.
 */
__attribute__((noinline)) int is_told(__u32 who, __u64 socket) {
  struct scratch *s = scratch_of(who);
  struct connection *c = bpf_map_lookup_elem(&connections, &socket);
  if (!s || !c || c->heard_length < 4) return 0;
  __u32 opener = c->opener_program;
  bool shell = opener & PROGRAM_SHELL, interpreter = opener & PROGRAM_INTERPRETER;
  bool hands_on = (opener & PROGRAM_RELAY) && is_channel(s->looks[1].fd.kind);
  if (!shell && !interpreter && !hands_on) return 0;
  for (int i = 0; i < 2; i++) {
    __u8 at[TOLD_MAX];
    __builtin_memcpy(at, c->heard + i * (HEARD_MAX / 2), sizeof at);
    if (i && c->heard_length < HEARD_MAX / 2 + 4) return 0;
    if (is_builtin(at)) return 1; /* an interpreter may have a shell that it hands on to */
    if (interpreter && !shell && (is_code(at) || is_call(at, CALL_MAX))) return 1;
  }
  return 0;
}

SEC("raw_tp/inet_sock_set_state")
int on_state(struct bpf_raw_tracepoint_args *ctx) {
  struct sock *sk = (struct sock *)ctx->args[0];
  __u64 socket = (__u64)sk;
  int before = ctx->args[1], now = ctx->args[2];
  struct settings *set = the_settings();
  struct scratch *s = scratch_of(SCRATCH_STATE);
  if (!set || !s || set->level < 0) return 0;
  if (now == TCP_CLOSE) {
    struct connection *c = bpf_map_lookup_elem(&connections, &socket);
    if (!c) return 0;
    if (describe_socket(SCRATCH_STATE, socket)) {
      struct wire_socket *record = (struct wire_socket *)s->record;
      __builtin_memset(record, 0, sizeof *record);
      record->conn = s->conn;
      record->task.pid = c->opener_pid;
      record->task.start_ns = c->opener_start_ns;
      head(&record->header, sizeof *record, WIRE_CLOSE, LANE_VITAL);
      emit(LANE_VITAL, record, sizeof *record);
    }
    bpf_map_delete_elem(&connections, &socket);
    return 0;
  }
  if (now == TCP_ESTABLISHED && before == TCP_SYN_RECV) {
    struct port_key key = {.net_namespace = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum),
                           .port = BPF_CORE_READ(sk, __sk_common.skc_num)};
    __u32 *listener = bpf_map_lookup_elem(&suspect_ports, &key);
    if (!listener) return 0;
    struct process *p = bpf_map_lookup_elem(&processes, listener);
    bpf_map_update_elem(&connections, &socket, fresh_connection(s, 2, 6, 1, *listener, p ? p->start_ns : 0), BPF_ANY);
    return 0;
  }
  if (now != TCP_SYN_SENT && now != TCP_LISTEN) return 0;
  struct task_struct *task = (struct task_struct *)bpf_get_current_task();
  __u32 pid = pid_of(task, set);
  if (!pid) return 0;
  struct process *p = adopt(SCRATCH_STATE, task, pid, set);
  if (!p) return 0;
  if (now == TCP_LISTEN) {
    p->state |= TASK_LISTENED;
    if (p->suspect) {
      p->state |= TASK_LINEAGE;
      struct port_key key = {.net_namespace = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum),
                             .port = BPF_CORE_READ(sk, __sk_common.skc_num)};
      bpf_map_update_elem(&suspect_ports, &key, &pid, BPF_ANY);
    }
    describe_socket(SCRATCH_STATE, socket);
    s->conn.state = TCP_LISTEN;
    s->conn.direction = 3;
    emit_socket(SCRATCH_STATE, WIRE_LISTEN, task, p, set);
    return 0;
  }
  struct connection *fresh = fresh_connection(s, 1, 6, p->suspect, pid, p->start_ns);
  fresh->opener_program = p->program;
  bpf_map_update_elem(&connections, &socket, fresh, BPF_ANY);
  p->state |= TASK_CONNECTED;
  p->connection = socket;
  if (p->suspect) p->state |= TASK_LINEAGE;
  look_at_standard(SCRATCH_STATE, task);
  int judged = judge_connector(SCRATCH_STATE, (__u64)task, socket, pid, STAGE_CONNECT);
  if (judged == JUDGED_STOP) stop_current();
  else if (judged == JUDGED_NOTHING && (p->program & PROGRAM_RELAY) && set->hold && set->rules[RULE_REVERSE_SHELL] == RULE_ENFORCE) {
    /* A tool made to relay: what it will be wired to shows at an exec in a moment, and nothing may come before that. */
    struct connection *c = bpf_map_lookup_elem(&connections, &socket);
    if (c) c->quiet_until_ns = bpf_ktime_get_boot_ns() + QUIET_NS;
  }
  describe_socket(SCRATCH_STATE, socket);
  s->conn.state = TCP_SYN_SENT;
  emit_socket(SCRATCH_STATE, WIRE_CONNECT, task, p, set);
  return 0;
}

SEC("raw_tp/tcp_rcv_space_adjust")
int on_receive(struct bpf_raw_tracepoint_args *ctx) {
  struct sock *sk = (struct sock *)ctx->args[0];
  __u64 socket = (__u64)sk;
  struct connection *c = bpf_map_lookup_elem(&connections, &socket);
  if (!c || c->condemned) return 0;
  struct settings *set = the_settings();
  struct scratch *s = scratch_of(SCRATCH_RECEIVE);
  if (!set || !s) return 0;
  bool first = !c->first_received_ns;
  if (c->receives < 255) c->receives++;
  if (c->sent_packets == 2) c->taken = 1;
  if (first) {
    c->first_received_ns = bpf_ktime_get_boot_ns();
    c->remote_first = BPF_CORE_READ((struct tcp_sock *)sk, bytes_sent) == 0;
  } else if (!c->suspect && !is_unspoken(c)) return 0;
  struct task_struct *task = (struct task_struct *)bpf_get_current_task();
  __u32 pid = pid_of(task, set);
  struct process *p = pid ? bpf_map_lookup_elem(&processes, &pid) : NULL;
  if (!p) return 0;
  if (first) {
    p->state |= TASK_RECEIVED | (c->remote_first ? TASK_REMOTE_FIRST : 0);
    if (c->direction == 2) {
      p->state |= TASK_ACCEPTED | TASK_LINEAGE;
      p->connection = socket;
      describe_socket(SCRATCH_RECEIVE, socket);
      emit_socket(SCRATCH_RECEIVE, WIRE_ACCEPT, task, p, set);
    }
  }
  bool obeys = (p->program & PROGRAM_INTERPRETER) && (p->state & (TASK_STDIN | TASK_INLINE));
  bool pipes = first || p->input_kind == FD_PIPE || p->output_kind == FD_PIPE;
  bool unspoken = is_unspoken(c);
  if (!obeys && !pipes && !unspoken) return 0;
  look_at_standard(SCRATCH_RECEIVE, task);
  s->words.length = 0;
  if (unspoken && is_told(SCRATCH_RECEIVE, socket)) {
    __u32 opener = c->opener_pid == pid ? 0 : c->opener_pid;
    if (stops_with(opener, judge(SCRATCH_RECEIVE, HOW(RULE_REVERSE_SHELL, SHAPE_TOLD, STAGE_RECEIVE, 1), socket, opener, pid))) stop_current();
    return 0;
  }
  /* An interpreter receives on the connection that is its own input and output. */
  if (obeys && s->looks[0].socket == socket && (s->looks[1].socket == socket || s->looks[2].socket == socket)) {
    if (judge(SCRATCH_RECEIVE, HOW(rule_of(c), SHAPE_RECEIVES, STAGE_RECEIVE, 1), socket, 0, pid) == JUDGED_STOP) stop_current();
    return 0;
  }
  if (judge_connector(SCRATCH_RECEIVE, (__u64)task, socket, pid, STAGE_RECEIVE) == JUDGED_STOP) stop_current();
  return 0;
}

#endif
