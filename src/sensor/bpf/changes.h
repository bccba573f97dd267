/* Credentials and namespaces that differ from what the process had: told, never acted upon. */
#ifndef ALGO_CHANGES_H
#define ALGO_CHANGES_H

/* scratch.task says who it is now. */
static __always_inline void changed(struct scratch *s, __u32 before_uid, __u64 before_capabilities, __u32 what) {
  struct wire_change record = {.before_uid = before_uid, .before_capabilities = before_capabilities, .what = what};
  record.task = s->task;
  head(&record.header, sizeof record, WIRE_CHANGE, LANE_OTHER);
  emit(LANE_OTHER, &record, sizeof record);
}

/* Of a process that was there before us. */
static __always_inline void note_namespaces(struct process *p, struct task_struct *task, const struct cred *cred) {
  struct nsproxy *spaces = BPF_CORE_READ(task, nsproxy);
  p->mount_namespace = spaces ? BPF_CORE_READ(spaces, mnt_ns, ns.inum) : 0;
  p->net_namespace = spaces ? BPF_CORE_READ(spaces, net_ns, ns.inum) : 0;
  p->user_namespace = BPF_CORE_READ(cred, user_ns, ns.inum);
}

/* Those that it is in no longer since its last exec or its birth; 0 is unknown. */
static __always_inline __u32 left_namespaces(struct process *p, const struct wire_task *now) {
  __u32 what = 0;
  if (p->mount_namespace && p->mount_namespace != now->mount_namespace) what |= CHANGE_MOUNT_NS;
  if (p->net_namespace && p->net_namespace != now->net_namespace) what |= CHANGE_NET_NS;
  if (p->user_namespace && p->user_namespace != now->user_namespace) what |= CHANGE_USER_NS;
  if (p->pid_namespace && p->pid_namespace != now->pid_namespace) what |= CHANGE_PID_NS;
  p->mount_namespace = now->mount_namespace;
  p->net_namespace = now->net_namespace;
  p->user_namespace = now->user_namespace;
  p->pid_namespace = now->pid_namespace;
  return what;
}

#endif
