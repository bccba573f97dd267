#define _GNU_SOURCE
#include "connector.h"

#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader.h"
#include "output.h"
#include "policy.h"
#include "proc.h"

#define HEARS_WITHIN_NS 500000000ULL
/* What refused BPF may have passed. */
#define AGAIN_AFTER_NS (600 * 1000000000ULL)
#define RECEIVE_BYTES (4 << 20)
#define EVENTS_A_TURN 512
#define STARTS_MAX 65536

static int source = -1;
static __u64 records, lost, lost_told, gone;
/* When a process began, by pid; of two with the same remainder the newer. */
static struct { __u32 pid; __u64 start_ns; } starts[STARTS_MAX];

static const char *listen_to(bool on) {
  struct {
    struct nlmsghdr netlink;
    struct cn_msg message;
    enum proc_cn_mcast_op operation;
  } __attribute__((packed)) order = {
      .netlink = {.nlmsg_len = sizeof order, .nlmsg_type = NLMSG_DONE},
      .message = {.id = {CN_IDX_PROC, CN_VAL_PROC}, .len = sizeof order.operation},
      .operation = on ? PROC_CN_MCAST_LISTEN : PROC_CN_MCAST_IGNORE,
  };
  if (send(source, &order, sizeof order, 0) == sizeof order) return "";
  return errno == ECONNREFUSED ? "it answers in the initial network namespace only" : strerror(errno);
}

/* The next event of the kernel's; NULL where none waits. */
static const struct proc_event *next_event(void) {
  static __attribute__((aligned(8))) char bytes[1024];
  for (;;) {
    struct sockaddr_nl from = {0};
    socklen_t size = sizeof from;
    ssize_t got = recvfrom(source, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
    if (got < 0 && errno == ENOBUFS) lost++; /* how many the kernel does not say */
    else if (got < 0 && errno != EINTR) return NULL;
    const struct nlmsghdr *header = (const void *)bytes;
    const struct cn_msg *message = NLMSG_DATA(header);
    if (from.nl_pid != 0 || got < (ssize_t)NLMSG_SPACE(sizeof *message + offsetof(struct proc_event, event_data))) continue;
    if (message->id.idx != CN_IDX_PROC || message->id.val != CN_VAL_PROC) continue;
    return (const void *)message->data;
  }
}

/* It answers nobody outside the initial namespaces, and does not say so: a fork of ours must come back. */
static bool hears_own_fork(void) {
  pid_t child = fork();
  if (child == 0) _exit(0);
  if (child > 0) waitpid(child, NULL, 0);
  for (__u64 end = boot_ns() + HEARS_WITHIN_NS; child > 0 && boot_ns() < end;) {
    struct pollfd ready = {.fd = source, .events = POLLIN};
    poll(&ready, 1, 20);
    for (const struct proc_event *event; (event = next_event());)
      if (event->what == PROC_EVENT_FORK && event->event_data.fork.child_tgid == child) return true;
  }
  return false;
}

const char *connector_open(void) {
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
  source = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);
  if (source < 0) return errno == EPROTONOSUPPORT ? "this kernel or network namespace has none" : strerror(errno);
  int bytes = RECEIVE_BYTES;
  setsockopt(source, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  const char *fault = bind(source, (struct sockaddr *)&address, sizeof address) ? strerror(errno) : listen_to(true);
  if (!*fault && hears_own_fork()) return "";
  close(source);
  return *fault ? fault : "it told nothing of a fork of ours; it answers in the initial PID namespace only";
}

static __u64 remembered_start(__u32 pid) {
  return starts[pid % STARTS_MAX].pid == pid ? starts[pid % STARTS_MAX].start_ns : 0;
}

static void remember(__u32 pid, __u64 start_ns) {
  starts[pid % STARTS_MAX].pid = pid;
  starts[pid % STARTS_MAX].start_ns = start_ns;
}

static void put(struct wire_header *header, size_t size, int type) {
  *header = (struct wire_header){.size = size, .type = type, .lane = LANE_VITAL, .at_ns = boot_ns()};
  if (output_fact(header, size)) lost++;
  else records++;
}

static void forked(__u32 parent, __u32 child) {
  struct wire_fork record = {.pid = child, .parent_pid = parent, .start_ns = proc_start_ns(child)};
  if (!record.start_ns) {
    gone++;
    return;
  }
  remember(child, record.start_ns);
  record.parent_start_ns = remembered_start(parent);
  if (!record.parent_start_ns) {
    record.parent_start_ns = proc_start_ns(parent);
    remember(parent, record.parent_start_ns);
  }
  put(&record.header, sizeof record, WIRE_FORK);
}

static void executed(__u32 pid) {
  static __attribute__((aligned(8))) char record[WIRE_RECORD_MAX];
  size_t size = proc_exec(pid, record, sizeof record);
  if (!size) {
    gone++;
    return;
  }
  remember(pid, ((struct wire_exec *)record)->task.start_ns);
  put((struct wire_header *)record, size, WIRE_EXEC);
}

static void exited(__u32 pid, __u32 status) {
  struct wire_exit record = {.pid = pid, .status = status, .start_ns = remembered_start(pid)};
  if (!record.start_ns) record.start_ns = proc_start_ns(pid);
  if (record.start_ns) put(&record.header, sizeof record, WIRE_EXIT);
}

static void hear(void) {
  const struct proc_event *event;
  for (int i = 0; i < EVENTS_A_TURN && (event = next_event()); i++) {
    __u32 pid;
    switch (event->what) {
    case PROC_EVENT_FORK:
      pid = event->event_data.fork.child_tgid;
      if (pid == (__u32)event->event_data.fork.child_pid) forked(event->event_data.fork.parent_tgid, pid);
      break;
    case PROC_EVENT_EXEC:
      executed(event->event_data.exec.process_tgid);
      break;
    case PROC_EVENT_EXIT:
      pid = event->event_data.exit.process_tgid;
      if (pid == (__u32)event->event_data.exit.process_pid) exited(pid, event->event_data.exit.exit_code);
      break;
    default: break;
    }
  }
}

static void say_hello(const char *reason) {
  static struct { struct wire_hello hello; char text[1024]; } record;
  struct stat space;
  record.hello.version = WIRE_VERSION;
  record.hello.pid = getpid();
  record.hello.step = STEP_CONNECTOR;
  record.hello.pid_namespace = stat("/proc/self/ns/pid", &space) == 0 ? space.st_ino : 0;
  int length = snprintf(record.text, sizeof record.text, "bpf\t%s\nconnector\tok\n", reason);
  record.hello.text_length = length < (int)sizeof record.text ? length : (int)sizeof record.text - 1;
  output_own(&record.hello.header, sizeof record.hello + record.hello.text_length, WIRE_HELLO);
}

static void say_beat(void) {
  static __u64 last_ns;
  struct wire_beat beat = {.untracked = gone};
  beat.records[LANE_VITAL] = records;
  beat.lost[LANE_VITAL] = lost;
  __u64 now = boot_ns();
  if (lost != lost_told) {
    struct wire_loss loss = {.from_ns = last_ns ? last_ns : now, .to_ns = now};
    loss.lost[LANE_VITAL] = lost - lost_told;
    lost_told = lost;
    output_own(&loss.header, sizeof loss, WIRE_LOSS);
  }
  last_ns = now;
  output_own(&beat.header, sizeof beat, WIRE_BEAT);
}

bool connector_run(const char *reason, volatile int *ended) {
  int wait = epoll_create1(EPOLL_CLOEXEC), clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  struct itimerspec every = {.it_interval.tv_sec = 1, .it_value.tv_sec = 1};
  timerfd_settime(clock, 0, &every, NULL);
  int sources[] = {source, STDIN_FILENO, clock};
  for (unsigned i = 0; i < sizeof sources / sizeof *sources; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = sources[i]};
    if (epoll_ctl(wait, EPOLL_CTL_ADD, sources[i], &event)) return false;
  }
  say_hello(reason);
  for (__u64 began = boot_ns(); !*ended && output_flush();) {
    if (boot_ns() - began > AGAIN_AFTER_NS) return true;
    struct epoll_event events[8];
    int count = epoll_wait(wait, events, 8, 1000);
    if (count < 0 && errno != EINTR) return false;
    for (int i = 0; i < count; i++) {
      if (events[i].data.fd == source) hear();
      if (events[i].data.fd == STDIN_FILENO && !policy_read(STDIN_FILENO)) return false;
      __u64 expired;
      if (events[i].data.fd == clock && read(clock, &expired, sizeof expired) == sizeof expired) say_beat();
    }
    while (waitpid(-1, NULL, WNOHANG) > 0) {}
  }
  return false;
}
