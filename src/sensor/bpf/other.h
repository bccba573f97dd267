/* What happens rarely and is worth knowing. All of these are optional: a kernel that lacks one loses only that. */
#ifndef ALGO_OTHER_H
#define ALGO_OTHER_H

SEC("raw_tp/signal_generate")
int on_signal(struct bpf_raw_tracepoint_args *ctx) {
  struct settings *set = the_settings();
  struct task_struct *target = (struct task_struct *)ctx->args[2];
  if (!set || set->level < 0) return 0;
  __u32 pid = pid_of(target, set);
  if (!pid || (pid != set->daemon_pid && pid != set->sensor_pid)) return 0;
  struct scratch *s = scratch_of(SCRATCH_OTHER);
  if (!s) return 0;
  struct task_struct *task = (struct task_struct *)bpf_get_current_task();
  __u64 info = ctx->args[1];
  struct wire_signal *record = (struct wire_signal *)s->record;
  __builtin_memset(record, 0, sizeof *record);
  __u32 own = pid_of(task, set);
  describe_task(SCRATCH_OTHER, (__u64)task, own);
  record->task = s->task;
  record->target_pid = pid;
  record->signal = ctx->args[0];
  /* 0, 1 and 2 are no addresses but SEND_SIG_NOINFO, SEND_SIG_PRIV (the kernel itself) */
  record->code = info > 2 ? BPF_CORE_READ((struct kernel_siginfo *)info, si_code) : info == 1 ? 128 : 0;
  bpf_get_current_comm(record->name, sizeof record->name);
  head(&record->header, sizeof *record, WIRE_SIGNAL, LANE_OTHER);
  emit(LANE_OTHER, record, sizeof *record);
  return 0;
}

SEC("raw_tp/module_load")
int on_module(struct bpf_raw_tracepoint_args *ctx) {
  struct settings *set = the_settings();
  struct scratch *s = scratch_of(SCRATCH_OTHER);
  if (!set || !s) return 0;
  struct task_struct *task = (struct task_struct *)bpf_get_current_task();
  struct wire_module *record = (struct wire_module *)s->record;
  __builtin_memset(record, 0, sizeof *record);
  __u32 own = pid_of(task, set);
  describe_task(SCRATCH_OTHER, (__u64)task, own);
  record->task = s->task;
  bpf_probe_read_kernel_str(record->name, 56, __builtin_preserve_access_index(&((struct module *)ctx->args[0])->name[0]));
  head(&record->header, sizeof *record, WIRE_MODULE, LANE_OTHER);
  emit(LANE_OTHER, record, sizeof *record);
  return 0;
}

SEC("raw_tp/io_uring_create")
int on_uring(struct bpf_raw_tracepoint_args *ctx) {
  struct settings *set = the_settings();
  struct scratch *s = scratch_of(SCRATCH_OTHER);
  if (!set || !s || set->level < 0) return 0;
  struct task_struct *task = (struct task_struct *)bpf_get_current_task();
  __u32 own = pid_of(task, set);
  if (!own) return 0;
  struct wire_uring *record = (struct wire_uring *)s->record;
  __builtin_memset(record, 0, sizeof *record);
  describe_task(SCRATCH_OTHER, (__u64)task, own);
  record->task = s->task;
  bpf_get_current_comm(record->name, sizeof record->name);
  head(&record->header, sizeof *record, WIRE_URING, LANE_OTHER);
  emit(LANE_OTHER, record, sizeof *record);
  return 0;
}

/* A port of ours was refused to somebody: counted by source, read each second. */
SEC("raw_tp/tcp_send_reset")
int on_reset(struct bpf_raw_tracepoint_args *ctx) {
  struct sk_buff *skb = (struct sk_buff *)ctx->args[1];
  if (ctx->args[0] || !skb) return 0; /* a known connection was reset, not a closed port asked for */
  __u32 space = BPF_CORE_READ(skb, dev, nd_net.net, ns.inum);
  if (!bpf_map_lookup_elem(&our_networks, &space)) return 0;
  unsigned char *start = BPF_CORE_READ(skb, head);
  unsigned char *network = start + BPF_CORE_READ(skb, network_header);
  unsigned char *transport = start + BPF_CORE_READ(skb, transport_header);
  __u8 version = 0;
  __u16 port = 0;
  struct refused_key key = {};
  bpf_probe_read_kernel(&version, 1, network);
  bpf_probe_read_kernel(&port, 2, transport + 2);
  port = port << 8 | port >> 8;
  key.family = version >> 4 == 6 ? 6 : 4;
  if (key.family == 4) bpf_probe_read_kernel(key.source, 4, network + 12);
  else bpf_probe_read_kernel(key.source, 16, network + 8);
  struct refused *known = bpf_map_lookup_elem(&refused, &key);
  if (known) {
    if (known->last != port) known->ports++;
    known->last = port;
    return 0;
  }
  struct refused fresh = {.ports = 1, .first = port, .last = port};
  bpf_map_update_elem(&refused, &key, &fresh, BPF_ANY);
  return 0;
}

#endif
