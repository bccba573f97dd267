/*
 * DEEP_SYSCALLS: what only the system call itself tells. One hook on every system call of every process, so it is attached
 * by order only, and nothing above depends on it. Numbers are those of x86-64.
 */
#ifndef ALGO_DEEP_H
#define ALGO_DEEP_H

#define DEEP_PER_SECOND_MAX 64
#define PTRACE_ATTACH 16
#define PTRACE_SEIZE 0x4206
#define PROT_EXEC 4
#define VM_WRITE 2

enum { NR_MPROTECT = 10, NR_PTRACE = 101, NR_MOUNT = 165, NR_UNSHARE = 272, NR_SETNS = 308, NR_PROCESS_VM_WRITEV = 311 };

/* Memory of its own, which could be written up to now. */
static long is_written(struct task_struct *task, struct vm_area_struct *area, void *context) {
  if ((BPF_CORE_READ(area, vm_flags) & VM_WRITE) && BPF_CORE_READ(area, anon_vma)) *(__u32 *)context = 1;
  return 0;
}

SEC("raw_tp/sys_enter")
int on_syscall(struct bpf_raw_tracepoint_args *ctx) {
  __u64 number = ctx->args[1];
  __u32 call;
  switch (number) {
  case NR_PTRACE: call = DEEP_TRACED; break;
  case NR_PROCESS_VM_WRITEV: call = DEEP_WRITTEN; break;
  case NR_MPROTECT: call = DEEP_EXECUTABLE; break;
  case NR_SETNS: call = DEEP_ENTERED; break;
  case NR_UNSHARE: call = DEEP_UNSHARED; break;
  case NR_MOUNT: call = DEEP_MOUNTED; break;
  default: return 0;
  }
  struct settings *set = the_settings();
  struct pt_regs *registers = (struct pt_regs *)ctx->args[0];
  if (!set || set->level < 0 || !registers) return 0;
  __u64 first = BPF_CORE_READ(registers, di), second = BPF_CORE_READ(registers, si), third = BPF_CORE_READ(registers, dx);
  __u32 target = 0;
  struct task_struct *task = (struct task_struct *)bpf_get_current_task();
  if (call == DEEP_TRACED) {
    if (first != PTRACE_ATTACH && first != PTRACE_SEIZE) return 0;
    target = second;
  } else if (call == DEEP_WRITTEN) target = first;
  else if (call == DEEP_EXECUTABLE) {
    __u32 written = 0;
    if (!(third & PROT_EXEC) || !bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_find_vma)) return 0;
    bpf_find_vma(bpf_get_current_task_btf(), first, is_written, &written, 0);
    if (!written) return 0;
  }
  __u32 own = pid_of(task, set);
  if (!own || own == set->daemon_pid || own == set->sensor_pid) return 0;
  __u64 now = bpf_ktime_get_boot_ns();
  if (now - set->deep_since_ns > 1000000000ULL) {
    set->deep_since_ns = now;
    set->deep_told = 0;
  }
  if (set->deep_told++ >= DEEP_PER_SECOND_MAX) return 0;
  struct scratch *s = scratch_of(SCRATCH_OTHER);
  if (!s) return 0;
  struct wire_deep *record = (struct wire_deep *)s->record;
  __builtin_memset(record, 0, sizeof *record);
  describe_task(SCRATCH_OTHER, (__u64)task, own);
  record->task = s->task;
  record->call = call;
  record->target_pid = target;
  bpf_get_current_comm(record->name, sizeof record->name);
  head(&record->header, sizeof *record, WIRE_DEEP, LANE_OTHER);
  emit(LANE_OTHER, record, sizeof *record);
  return 0;
}

#endif
