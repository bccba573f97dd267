/*
 * The sensor: loads the programs, hands their records to the daemon on standard output, takes policy from standard input.
 * It judges nothing. One thread, one loop: questions and verdicts wake it at once, facts are drained every 20 ms. When
 * the daemon does not read, rings fill and count what they lose; nothing here ever waits for the daemon.
 * Ends when standard input does.
 *
 *   algo-sensor run [--cgroup DIRECTORY]   normal work: by BPF, where that is refused by the process connector
 *   algo-sensor connector                  by the process connector alone
 *   algo-sensor probe                      load, attach, say what works, end
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "connector.h"
#include "environment.h"
#include "files.h"
#include "loader.h"
#include "output.h"
#include "policy.h"
#include "watches.h"
#include "wire.h"

#define DRAIN_MS 20
#define SECOND_TICKS (1000 / DRAIN_MS)

static struct ring_buffer *urgent_ring, *fact_rings;
static struct loaded programs;
static __u64 last_lost[LANES], last_misses, last_second_ns;
static __u64 no_room[LANES]; /* a ring lets go of what was refused */
static volatile sig_atomic_t ended;

static void on_end(int signal) { ended = signal; }

static int taken(int answer, const struct wire_header *record) {
  if (answer < 0) no_room[record->lane % LANES]++;
  return answer;
}

static int on_urgent(void *context, void *data, size_t size) {
  (void)context;
  return taken(output_urgent(data, size), data);
}

static int on_fact(void *context, void *data, size_t size) {
  (void)context;
  (void)size;
  const struct wire_header *record = environment_joined(data);
  return record ? taken(output_fact(record, record->size), record) : 0;
}

static void say_hello(void) {
  static struct { struct wire_hello hello; char text[WIRE_RECORD_MAX - sizeof(struct wire_hello)]; } record;
  struct stat space;
  record.hello.version = WIRE_VERSION;
  record.hello.pid = getpid();
  record.hello.adopted = programs.adopted;
  record.hello.pid_namespace = stat("/proc/self/ns/pid", &space) == 0 ? space.st_ino : 0;
  record.hello.text_length = loaded_text(&programs, record.text, sizeof record.text);
  record.hello.text_length += files_text(record.text + record.hello.text_length, sizeof record.text - record.hello.text_length);
  output_own(&record.hello.header, sizeof record.hello + record.hello.text_length, WIRE_HELLO);
}

static void say_beat(void) {
  struct wire_beat beat = {0};
  __u64 counters[COUNTERS] = {0};
  loaded_counters(&programs, counters);
  for (int lane = 0; lane < 4; lane++) {
    beat.records[lane] = counters[COUNT_RECORDS + lane];
    beat.lost[lane] = counters[COUNT_LOST + lane] + no_room[lane];
  }
  beat.lost[LANE_SENSOR] += files_lost();
  watches_count(&beat.files_watched, &beat.files_refused);
  beat.recursion_misses = loaded_misses(&programs);
  beat.verdicts = counters[COUNT_VERDICTS];
  beat.asks = counters[COUNT_ASKS];
  beat.expired = counters[COUNT_EXPIRED];
  beat.dropped_packets = counters[COUNT_DROPPED];
  beat.processes = counters[COUNT_PROCESSES_IN] - counters[COUNT_PROCESSES_OUT];
  beat.untracked = counters[COUNT_UNTRACKED];
  beat.generation = policy_generation();
  __u64 now = boot_ns();
  struct wire_loss loss = {.from_ns = last_second_ns, .to_ns = now, .recursion_misses = beat.recursion_misses - last_misses};
  __u64 any = loss.recursion_misses;
  for (int lane = 0; lane < 4; lane++) any += loss.lost[lane] = beat.lost[lane] - last_lost[lane];
  if (any) output_own(&loss.header, sizeof loss, WIRE_LOSS);
  memcpy(last_lost, beat.lost, sizeof last_lost);
  last_misses = beat.recursion_misses;
  last_second_ns = now;
  output_own(&beat.header, sizeof beat, WIRE_BEAT);
}

/* Ports refused to one source since the last second. */
static void say_refused(void) {
  struct refused_key key, next;
  int map = programs.refused, more = bpf_map_get_next_key(map, NULL, &key) == 0;
  for (int i = 0; more && i < 1024; i++) {
    more = bpf_map_get_next_key(map, &key, &next) == 0;
    struct refused value;
    if (bpf_map_lookup_elem(map, &key, &value) == 0) {
      struct wire_refused record = {.family = key.family, .ports = value.ports, .first_port = value.first, .last_port = value.last};
      memcpy(record.source, key.source, sizeof record.source);
      output_own(&record.header, sizeof record, WIRE_REFUSED);
      bpf_map_delete_elem(map, &key);
    }
    key = next;
  }
}

static void drain_facts(void) {
  if (output_has_room()) ring_buffer__consume(fact_rings);
}

static void loop(void) {
  int wait = epoll_create1(EPOLL_CLOEXEC), clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  struct itimerspec every = {.it_interval.tv_nsec = DRAIN_MS * 1000000, .it_value.tv_nsec = DRAIN_MS * 1000000};
  timerfd_settime(clock, 0, &every, NULL);
  int sources[3 + EYES] = {ring_buffer__epoll_fd(urgent_ring), STDIN_FILENO, clock};
  for (int eye = 0; eye < EYES; eye++) sources[3 + eye] = files_descriptor(eye);
  for (unsigned i = 0; i < sizeof sources / sizeof *sources; i++) {
    if (sources[i] < 0) continue;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = sources[i]};
    if (epoll_ctl(wait, EPOLL_CTL_ADD, sources[i], &event)) {
      fprintf(stderr, "sensor: cannot wait for descriptor %d: %s\n", sources[i], strerror(errno));
      return;
    }
  }
  unsigned ticks = 0;
  last_second_ns = boot_ns();
  while (!ended) {
    struct epoll_event events[8];
    int count = epoll_wait(wait, events, 8, 1000);
    if (count < 0 && errno != EINTR) return;
    ring_buffer__consume(urgent_ring);
    for (int i = 0; i < count; i++) {
      if (events[i].data.fd == STDIN_FILENO && !policy_read(STDIN_FILENO)) return;
      for (int eye = 0; eye < EYES; eye++)
        if (events[i].data.fd == files_descriptor(eye)) files_read(eye, drain_facts);
      if (events[i].data.fd != clock) continue;
      __u64 expired;
      if (read(clock, &expired, sizeof expired) != sizeof expired) continue;
      drain_facts();
      if (++ticks % SECOND_TICKS == 0) {
        files_tick();
        say_refused();
        say_beat();
      }
    }
    while (waitpid(-1, NULL, WNOHANG) > 0) {}
    if (!output_flush()) return;
  }
}

static int failed(const char *connector) {
  fprintf(stderr, "sensor: %s%s%s\n", programs.failure, *connector ? "; the process connector: " : "", connector);
  return 69;
}

/* BPF is refused. After a while it is tried again, by a fresh start of ourselves with the same pipes. */
static int step_down(char **words) {
  const char *fault = connector_open();
  if (*fault) return failed(fault);
  output_open(STDOUT_FILENO);
  if (connector_run(programs.failure, &ended)) {
    output_flush();
    execv("/proc/self/exe", words);
  }
  return 0;
}

int main(int count, char **words) {
  if (count > 1 && strcmp(words[1], "--seen") == 0) return 0; /* the canary's exec */
  const char *cgroup = "/sys/fs/cgroup";
  for (int i = 2; i + 1 < count; i++)
    if (strcmp(words[i], "--cgroup") == 0) cgroup = words[i + 1];
  const char *task = count > 1 ? words[1] : "";
  bool probing = strcmp(task, "probe") == 0, without = strcmp(task, "connector") == 0;
  if (!probing && !without && strcmp(task, "run") != 0) {
    fprintf(stderr, "usage: algo-sensor run [--cgroup DIRECTORY] | connector | probe\n");
    return 64;
  }
  prctl(PR_SET_NAME, "algo-sensor"); /* started from memory it is called after a descriptor */
  signal(SIGPIPE, SIG_IGN);
  if (!probing) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGTERM, on_end);
    signal(SIGINT, on_end);
  }
  if (without) snprintf(programs.failure, sizeof programs.failure, "not asked for");
  if (without || !loaded_open(&programs, cgroup)) return probing ? failed("") : step_down(words);
  if (probing) {
    for (int i = 0; i < programs.hook_count; i++)
      printf("%s\t%s\t%u\n", programs.hooks[i].name, programs.hooks[i].answer, loaded_checked(&programs.hooks[i]));
    return 0;
  }
  output_open(STDOUT_FILENO);
  policy_open(&programs);
  files_open();
  urgent_ring = ring_buffer__new(programs.urgent, on_urgent, NULL, NULL);
  fact_rings = ring_buffer__new(programs.vital, on_fact, NULL, NULL);
  if (!urgent_ring || !fact_rings || ring_buffer__add(fact_rings, programs.other, on_fact, NULL)) {
    fprintf(stderr, "sensor: the rings cannot be read: %s\n", strerror(errno));
    return 71;
  }
  say_hello();
  output_flush();
  loop();
  return 0;
}
