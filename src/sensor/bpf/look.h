/*
 * Reads tasks, descriptors, sockets and arguments. Everything that loops is a global function (verified once, by itself)
 * and leaves its answer in the scratch of the program that asks: softirqs interrupt, so no two programs share one.
 */
#ifndef ALGO_LOOK_H
#define ALGO_LOOK_H

enum scratch_of { SCRATCH_EXEC, SCRATCH_STATE, SCRATCH_RECEIVE, SCRATCH_CONNECT, SCRATCH_EGRESS, SCRATCH_OTHER, SCRATCH_ENVIRONMENT, SCRATCHES };

struct words { /* what argv says; see read_arguments */
  __u32 position, word, at; /* byte, number of the word, byte within the word */
  __u32 length;
  __u32 is_option, is_long, skip, done;
  __u32 state;              /* TASK_INLINE, TASK_STDIN, TASK_SCRIPT, TASK_TEMPORARY */
  __u32 code_at;            /* where the code begins, 0 unknown */
  __u32 stdin_asked, value_pending, code_pending;
  __u64 code_letters, value_letters;
  __u32 first_operand;
  __u32 operand_at;         /* where the first one begins, 0 none */
};

struct echo { __u32 from, left, anywhere, hit, begin, i, quotes, heard_length; }; /* see echoes */

struct scratch {
  struct look looks[4]; /* 0-2 the standard descriptors, 3 the one last looked at */
  struct wire_conn conn;
  struct wire_task task;
  struct words words;
  struct process process; /* a new record before it is put into the map */
  __u8 refused_address[16]; /* where a connection was not let go to */
  __u16 refused_port;
  __u8 refused_family, reserved;
  struct connection fresh; /* a new one before it is put into the map */
  struct echo echo;
  __u8 heard[HEARD_MAX];
  __u32 pid; /* whose exec this is about */
  volatile __u64 socket; /* a pointer that went through memory is a number to the verifier */
  __u8 record[WIRE_RECORD_MAX] __attribute__((aligned(8)));
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, SCRATCHES);
  __type(key, __u32);
  __type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct scratch *scratch_of(__u32 who) { return bpf_map_lookup_elem(&scratches, &who); }

/* A connection begins; whose it is follows. */
static __always_inline struct connection *fresh_connection(struct scratch *s, __u32 direction, __u32 protocol, __u32 suspect, __u32 pid, __u64 start_ns) {
  struct connection *c = &s->fresh;
  __builtin_memset(c, 0, sizeof *c);
  c->opened_ns = bpf_ktime_get_boot_ns();
  c->direction = direction;
  c->protocol = protocol;
  c->suspect = suspect != 0;
  c->opener_pid = pid;
  c->opener_start_ns = start_ns;
  return c;
}

/* Our number of a process, 0 when it is not in the daemon's namespace or below. */
static __always_inline __u32 pid_of(struct task_struct *task, struct settings *set) {
  struct task_struct *leader = BPF_CORE_READ(task, group_leader);
  struct pid *pid = BPF_CORE_READ(leader, thread_pid);
  int level = set->level;
  if (!pid || level < 0 || (int)BPF_CORE_READ(pid, level) < level) return 0;
  struct upid *entry = (struct upid *)__builtin_preserve_access_index(&pid->numbers[0]);
  struct upid found = {};
  bpf_probe_read_kernel(&found, sizeof found, (void *)entry + (level & 31) * sizeof(struct upid));
  if (BPF_CORE_READ(found.ns, ns.inum) != set->namespace_inode) return 0;
  return found.nr;
}

static __always_inline __u64 capabilities_of(const struct cred *cred) {
  __u64 value = 0;
  bpf_probe_read_kernel(&value, sizeof value, __builtin_preserve_access_index(&cred->cap_effective));
  return value;
}

static __always_inline __u64 start_of(struct task_struct *task) {
  return BPF_CORE_READ(task, group_leader, start_boottime);
}

static __always_inline void file_identity(struct file *file, __u64 *inode, __u32 *device) {
  struct inode *node = BPF_CORE_READ(file, f_inode);
  *inode = BPF_CORE_READ(node, i_ino);
  *device = BPF_CORE_READ(node, i_sb, s_dev);
}

static __always_inline __u32 class_of(__u64 inode, __u32 device, struct program **out) {
  struct program_key key = {.inode = inode, .device = device};
  struct program *known = bpf_map_lookup_elem(&programs, &key);
  if (out) *out = known;
  return known ? known->program : 0;
}

/* Who `task` is, into scratch.task. `pid` is its record's, or 0. */
__attribute__((noinline)) int describe_task(__u32 who, __u64 task_address, __u32 pid) {
  struct scratch *s = scratch_of(who);
  struct settings *set = the_settings();
  if (!s || !set) return 0;
  struct task_struct *task = (struct task_struct *)task_address;
  struct process *process = bpf_map_lookup_elem(&processes, &pid);
  struct wire_task *out = &s->task;
  __builtin_memset(out, 0, sizeof *out);
  struct task_struct *leader = BPF_CORE_READ(task, group_leader);
  struct task_struct *parent = BPF_CORE_READ(leader, real_parent);
  const struct cred *cred = BPF_CORE_READ(task, cred);
  struct signal_struct *signal = BPF_CORE_READ(task, signal);
  struct nsproxy *spaces = BPF_CORE_READ(task, nsproxy);
  out->pid = process ? process->pid : pid_of(task, set);
  out->parent_pid = pid_of(parent, set);
  out->start_ns = BPF_CORE_READ(leader, start_boottime);
  out->parent_start_ns = out->parent_pid ? BPF_CORE_READ(parent, group_leader, start_boottime) : 0;
  out->uid = BPF_CORE_READ(cred, euid.val);
  out->gid = BPF_CORE_READ(cred, egid.val);
  out->real_uid = BPF_CORE_READ(cred, uid.val);
  out->login_uid = BPF_CORE_READ(task, loginuid.val);
  out->audit_session = BPF_CORE_READ(task, sessionid);
  struct pid *leader_pid = NULL;
  bpf_probe_read_kernel(&leader_pid, sizeof leader_pid, __builtin_preserve_access_index(&signal->pids[3]));
  struct upid entry = {};
  int level = set->level;
  if (leader_pid && level >= 0 && (int)BPF_CORE_READ(leader_pid, level) >= level)
    bpf_probe_read_kernel(&entry, sizeof entry,
                          (void *)__builtin_preserve_access_index(&leader_pid->numbers[0]) + (level & 31) * sizeof entry);
  out->session = entry.nr;
  struct tty_struct *tty = BPF_CORE_READ(signal, tty);
  __u32 minor = tty ? BPF_CORE_READ(tty, driver, minor_start) + BPF_CORE_READ(tty, index) : 0;
  out->tty = tty ? (BPF_CORE_READ(tty, driver, major) << 8 | (minor & 0xff) | (minor & ~0xffU) << 12) : 0;
  out->mount_namespace = spaces ? BPF_CORE_READ(spaces, mnt_ns, ns.inum) : 0;
  out->net_namespace = spaces ? BPF_CORE_READ(spaces, net_ns, ns.inum) : 0;
  out->user_namespace = BPF_CORE_READ(cred, user_ns, ns.inum);
  struct pid *own = BPF_CORE_READ(leader, thread_pid);
  struct upid inner = {};
  if (own)
    bpf_probe_read_kernel(&inner, sizeof inner,
                          (void *)__builtin_preserve_access_index(&own->numbers[0]) +
                              (BPF_CORE_READ(own, level) & 31) * sizeof inner);
  out->pid_namespace = BPF_CORE_READ(inner.ns, ns.inum);
  out->capabilities = capabilities_of(cred);
  out->cgroup = bpf_get_current_cgroup_id();
  if (process) {
    out->exe_device = process->exe_device;
    out->exe_inode = process->exe_inode;
    out->program = process->program;
    out->state = process->state;
  }
  __u32 network = out->net_namespace, one = 1;
  if (!bpf_map_lookup_elem(&our_networks, &network)) bpf_map_update_elem(&our_networks, &network, &one, BPF_ANY);
  return out->pid;
}

/* Who speaks with whom over `socket`; into scratch.conn. */
__attribute__((noinline)) int describe_socket(__u32 who, __u64 socket) {
  struct scratch *s = scratch_of(who);
  if (!s) return 0;
  struct wire_conn *c = &s->conn;
  __builtin_memset(c, 0, sizeof *c);
  if (s->refused_family) {
    c->family = s->refused_family;
    c->protocol = 6;
    c->direction = 1;
    c->remote_port = s->refused_port;
    __builtin_memcpy(c->remote_address, s->refused_address, 16);
    return c->family;
  }
  struct sock *sk = (struct sock *)socket;
  if (!sk) return 0;
  __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
  if (family != AF_INET && family != AF_INET6) return 0;
  c->family = family == AF_INET ? 4 : 6;
  c->protocol = BPF_CORE_READ(sk, sk_type) == SOCK_STREAM ? 6 : 17;
  c->state = BPF_CORE_READ(sk, __sk_common.skc_state);
  c->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
  c->net_namespace = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
  c->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
  __u16 remote = BPF_CORE_READ(sk, __sk_common.skc_dport);
  c->remote_port = (__u16)(remote << 8 | remote >> 8);
  if (family == AF_INET) {
    __u32 local = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr), peer = BPF_CORE_READ(sk, __sk_common.skc_daddr);
    __builtin_memcpy(c->local_address, &local, 4);
    __builtin_memcpy(c->remote_address, &peer, 4);
  } else {
    bpf_probe_read_kernel(c->local_address, 16, __builtin_preserve_access_index(&sk->__sk_common.skc_v6_rcv_saddr));
    bpf_probe_read_kernel(c->remote_address, 16, __builtin_preserve_access_index(&sk->__sk_common.skc_v6_daddr));
  }
  struct socket *outer = BPF_CORE_READ(sk, sk_socket);
  struct file *file = outer ? BPF_CORE_READ(outer, file) : NULL;
  if (file) c->inode = BPF_CORE_READ(file, f_inode, i_ino);
  if (c->protocol == 6 && c->state != TCP_LISTEN) {
    c->bytes_received = BPF_CORE_READ((struct tcp_sock *)sk, bytes_received);
    c->bytes_sent = BPF_CORE_READ((struct tcp_sock *)sk, bytes_sent);
  }
  struct connection *known = bpf_map_lookup_elem(&connections, &socket);
  if (known) {
    c->direction = known->direction;
    c->opened_ns = known->opened_ns;
    c->first_received_ns = known->first_received_ns;
    c->first_sent_ns = known->first_sent_ns;
  } else if (c->state == TCP_LISTEN && c->protocol == 6) {
    c->direction = 3;
  }
  return c->family;
}

/* Family 4 or 6 of an internet socket with a remote end, else 0. */
static __always_inline int remote_family(struct sock *sk) {
  __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
  if (family != AF_INET && family != AF_INET6) return 0;
  __u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
  if (BPF_CORE_READ(sk, sk_type) == SOCK_STREAM)
    return state == TCP_LISTEN || state == TCP_CLOSE ? 0 : family == AF_INET ? 4 : 6;
  return state == TCP_ESTABLISHED ? (family == AF_INET ? 4 : 6) : 0;
}

/* One descriptor of a table, into scratch.looks[slot]. Its kind, 0 when it is closed. */
__attribute__((noinline)) int look_at(__u32 who, __u64 table, __u32 fd, __u32 slot) {
  struct scratch *s = scratch_of(who);
  if (!s) return 0;
  struct look *out = &s->looks[slot & 3];
  __builtin_memset(out, 0, sizeof *out);
  struct fdtable *fdt = BPF_CORE_READ((struct files_struct *)table, fdt);
  if (!fdt || fd >= BPF_CORE_READ(fdt, max_fds)) return 0;
  struct file **array = BPF_CORE_READ(fdt, fd);
  struct file *file = NULL;
  bpf_probe_read_kernel(&file, sizeof file, (void *)(array + fd));
  if (!file) return 0;
  struct inode *inode = BPF_CORE_READ(file, f_inode);
  __u32 mode = BPF_CORE_READ(inode, i_mode) & S_IFMT;
  __u32 access = BPF_CORE_READ(file, f_mode);
  out->fd.inode = BPF_CORE_READ(inode, i_ino);
  out->fd.flags = (access & FMODE_READ ? FD_READABLE : 0) | (access & FMODE_WRITE ? FD_WRITABLE : 0);
  out->id = (__u64)inode;
  if (mode == S_IFIFO) {
    out->fd.kind = BPF_CORE_READ(inode, i_sb, s_magic) == PIPEFS_MAGIC ? FD_PIPE : FD_FIFO;
    return out->fd.kind;
  }
  if (mode == S_IFSOCK) {
    struct socket *outer = BPF_CORE_READ(file, private_data);
    struct sock *sk = outer ? BPF_CORE_READ(outer, sk) : NULL;
    __u16 family = sk ? BPF_CORE_READ(sk, __sk_common.skc_family) : 0;
    out->socket = (__u64)sk;
    out->id = (__u64)sk;
    if (family == AF_UNIX) {
      __u64 peer = (__u64)BPF_CORE_READ((struct unix_sock *)sk, peer);
      out->fd.kind = FD_UNIX;
      if (peer && peer < out->id) out->id = peer;
      out->socket = 0;
      return FD_UNIX;
    }
    if (family != AF_INET && family != AF_INET6) {
      out->fd.kind = FD_OTHER;
      out->socket = 0;
      return FD_OTHER;
    }
    out->fd.kind = FD_INET;
    struct connection *known = bpf_map_lookup_elem(&connections, &out->socket);
    bool datagrams = known && known->protocol == 17; /* it has sent some, to whom it likes */
    if (!datagrams && !remote_family(sk)) {
      if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN) out->fd.flags |= FD_LISTENING;
      out->socket = 0;
      return FD_INET;
    }
    if (BPF_CORE_READ(sk, sk_type) != SOCK_STREAM || (known && known->direction == 1)) out->fd.flags |= FD_OUTGOING;
    else if (known) out->fd.flags |= FD_ACCEPTED;
    return FD_INET;
  }
  if (mode == S_IFCHR) {
    __u32 device = BPF_CORE_READ(inode, i_rdev);
    __u32 major = device >> 20, minor = device & 0xfffff;
    out->fd.device = device;
    if (major == 1 && minor == 3) return out->fd.kind = FD_NULL;
    if (major == 5 || (major >= 136 && major < 144)) {
      struct tty_file_private *private = BPF_CORE_READ(file, private_data);
      struct tty_struct *tty = private ? BPF_CORE_READ(private, tty) : NULL;
      bool master = major == 5 && minor == 2;
      out->fd.kind = master ? FD_PTMX : FD_PTS;
      out->id = (__u64)(master && tty ? BPF_CORE_READ(tty, link) : tty);
      if (tty) out->fd.inode = BPF_CORE_READ(tty, index);
      return out->fd.kind;
    }
    return out->fd.kind = FD_OTHER;
  }
  out->fd.device = BPF_CORE_READ(inode, i_sb, s_dev);
  out->fd.kind = mode == S_IFREG ? FD_FILE : mode == S_IFDIR ? FD_DIRECTORY : FD_OTHER;
  return out->fd.kind;
}

/* Does a table hold an end of `channel`? A bit for yes, another for a connection with a remote end (left in looks[3]). */
__attribute__((noinline)) int holds(__u32 who, __u64 table, __u64 channel) {
  struct scratch *s = scratch_of(who);
  if (!s || !table) return 0;
  int found = 0;
  __u64 socket = 0;
  for (__u32 fd = 0; fd < 72; fd++) {
    int kind = look_at(who, table, fd, 3);
    if (!kind) continue;
    if (s->looks[3].id == channel) found |= 1;
    if (kind == FD_INET && s->looks[3].socket && !socket) socket = s->looks[3].socket;
  }
  s->looks[3].socket = socket;
  return found | (socket ? 2 : 0);
}

#endif
