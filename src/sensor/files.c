/*
 * Two groups, so that writes below /proc, which are many, crowd out no open. The kernel queues 16,384 events for each; what
 * runs over is counted as lost. Hears the number of a process and, from Linux 5.15 on, a pidfd that says whether it still is
 * that process. Everything else about it is known from its exec, which the programs reported before it opened anything.
 */
#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loader.h"
#include "output.h"
#include "watches.h"

/* Linux 5.15; older C libraries do not know them. */
#ifndef FAN_REPORT_PIDFD
#define FAN_REPORT_PIDFD 0x00000080
#endif
#define INFO_PIDFD 4

#define BATCH_BYTES 8192
#define BATCH_MAX (BATCH_BYTES / sizeof(struct fanotify_event_metadata))
#define ROUNDS_MAX 4 /* of one wake-up, about 5 ms; then questions and verdicts have their turn */
#define LOOK_EVERY_SECONDS 10
#define SAMES 512
#define SAME_FOR_NS 1000000000ULL
#define RECORDS_A_SECOND_MAX 2000
#define TICK_NS 10000000ULL

struct heard {
  struct wire_file record;
  char path[PATH_MAX];
};

static const char *const names[EYES] = {"watched_files", "process_memory", "replaced_files"};
static int eyes[EYES] = {-1, -1, -1};
static char answers[EYES][96];
static struct heard batch[BATCH_MAX];
static struct { __u64 what, at_ns; } sames[SAMES];
static struct stat own_program, own_processes;
static pid_t canary;
static unsigned told_this_second, seconds;
static __u64 lost;

static int group(void) {
  unsigned flags = FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK, events = O_RDONLY | O_CLOEXEC | O_LARGEFILE | O_NONBLOCK;
  int with_pidfd = fanotify_init(flags | FAN_REPORT_PIDFD, events);
  return with_pidfd >= 0 ? with_pidfd : fanotify_init(flags, events);
}

static void settle(enum eye eye, bool works) {
  snprintf(answers[eye], sizeof *answers, "%s", works ? "ok" : strerror(errno));
  if (works || eyes[eye] < 0) return;
  close(eyes[eye]);
  eyes[eye] = -1;
}

void files_open(void) {
  eyes[EYE_OPENS] = group();
  settle(EYE_OPENS, eyes[EYE_OPENS] >= 0 && stat("/proc/self/exe", &own_program) == 0 &&
    fanotify_mark(eyes[EYE_OPENS], FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "/proc/self/exe") == 0);
  /* The whole of it: services with a mount namespace of their own have other mounts of the same /proc. */
  eyes[EYE_MEMORY] = group();
  settle(EYE_MEMORY, eyes[EYE_MEMORY] >= 0 && stat("/proc", &own_processes) == 0 &&
    fanotify_mark(eyes[EYE_MEMORY], FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_MODIFY, AT_FDCWD, "/proc") == 0);
  eyes[EYE_REPLACED] = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  settle(EYE_REPLACED, eyes[EYE_REPLACED] >= 0);
  watches_open(eyes[EYE_OPENS], eyes[EYE_MEMORY], eyes[EYE_REPLACED]);
}

int files_descriptor(enum eye eye) { return eyes[eye]; }
void files_canary(pid_t child) { canary = child; }
__u64 files_lost(void) { return lost; }

size_t files_text(char *text, size_t size) {
  size_t length = 0;
  for (int eye = 0; eye < EYES && length < size; eye++)
    length += snprintf(text + length, size - length, "%s\t%s\n", names[eye], answers[eye]);
  return length < size ? length : size - 1;
}

void files_tick(void) {
  told_this_second = 0;
  if (++seconds % LOOK_EVERY_SECONDS == 0) watches_look();
}

/* The pidfd that comes with an event: -1 gone already, -2 this kernel gives none. */
static int pidfd_of(const struct fanotify_event_metadata *event) {
  const unsigned char *at = (const unsigned char *)event + event->metadata_len, *end = (const unsigned char *)event + event->event_len;
  int pidfd = -2;
  while (at + sizeof(struct fanotify_event_info_header) <= end) {
    const struct fanotify_event_info_header *info = (const void *)at;
    if (info->len < sizeof *info) break;
    if (info->info_type == INFO_PIDFD && info->len >= sizeof *info + sizeof pidfd) {
      memcpy(&pidfd, info + 1, sizeof pidfd);
      if (pidfd < -1) pidfd = -1;
    }
    at += info->len;
  }
  return pidfd;
}

/* 0: gone. */
static __u64 start_of(pid_t pid) {
  char path[64], line[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = file < 0 ? -1 : read(file, line, sizeof line - 1);
  if (file >= 0) close(file);
  if (got <= 0) return 0;
  line[got] = 0;
  char *word = strrchr(line, ')'); /* the second of them; the start is the 22nd */
  for (int i = 2; word && i < 22; i++) word = strchr(word + 1, ' ');
  return word ? strtoull(word, NULL, 10) * TICK_NS : 0;
}

/* Of this very process: the number may be somebody else's by now. */
static __u64 sure_start_of(pid_t pid, int pidfd) {
  __u64 start = pidfd == -1 ? 0 : start_of(pid);
  if (pidfd < 0) return start;
  return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0 ? start : 0;
}

/* Whose memory `/proc/12/mem` or `/proc/12/task/13/mem` is, by the numbers of that /proc; 0 where it is no such file. */
static long owner_of(const char *path) {
  size_t length = strlen(path);
  if (length < 4 || strcmp(path + length - 4, "/mem")) return 0;
  const char *end = strstr(path, "/task/"), *number = end ? end : path + length - 4;
  while (number > path && number[-1] != '/') number--;
  return strtol(number, NULL, 10);
}

/* By its number or that of one of its threads; in the /proc of a namespace below by what it is called there. */
static bool is_own(long owner, pid_t pid, dev_t device) {
  char path[64], line[256];
  if (device == own_processes.st_dev) {
    snprintf(path, sizeof path, "/proc/%d/task/%ld", pid, owner);
    return owner == pid || access(path, F_OK) == 0;
  }
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *status = fopen(path, "re");
  bool same = false;
  while (status && fgets(line, sizeof line, status)) {
    char *at = strncmp(line, "NSpid:", 6) ? NULL : line + 6;
    for (char *next; at; at = next) {
      same |= strtol(at, &next, 10) == owner;
      if (next == at) break;
    }
  }
  if (status) fclose(status);
  return same;
}

/* One process and one file, once a second. */
static bool is_repeated(pid_t pid, const struct stat *file) {
  __u64 what = (pid * 0x9e3779b97f4a7c15ULL) ^ (file->st_ino * 0xc2b2ae3d27d4eb4fULL) ^ file->st_dev, now = boot_ns();
  typeof(*sames) *slot = &sames[what % SAMES];
  if (slot->what == what && now - slot->at_ns < SAME_FOR_NS) return true;
  slot->what = what;
  slot->at_ns = now;
  return false;
}

/* The kind of watch, 0 for nobody's business; the path into `path`. */
static __u32 kind_of(enum eye eye, const struct fanotify_event_metadata *event, const struct stat *file, char path[PATH_MAX]) {
  __u32 kind = 0;
  if (eye == EYE_OPENS) {
    const char *found = watches_find(file, &kind);
    if (found) snprintf(path, PATH_MAX, "%s", found);
    else if (event->pid == canary && file->st_ino == own_program.st_ino && file->st_dev == own_program.st_dev) kind = WATCH_CANARY;
    return kind;
  }
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", event->fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  long owner = owner_of(path);
  return owner > 0 && !is_own(owner, event->pid, file->st_dev) ? WATCH_PROCESS_MEMORY : 0;
}

/* Whether there is something to tell. `at_ns`: it happened before, and what the process executed later did not do it. */
static bool hear(enum eye eye, const struct fanotify_event_metadata *event, __u64 at_ns, struct heard *out) {
  struct stat file;
  bool ours = event->pid == getpid() || event->pid == getppid();
  /* 0: outside of our PID namespace. */
  if (event->pid <= 0 || ours || fstat(event->fd, &file)) return false;
  out->path[0] = 0;
  __u32 kind = kind_of(eye, event, &file, out->path);
  if (!kind || is_repeated(event->pid, &file)) return false;
  out->record = (struct wire_file){.pid = event->pid, .mask = event->mask, .watch = kind, .path_length = strlen(out->path)};
  out->record.header.at_ns = at_ns;
  return true;
}

static void tell(struct heard *heard) {
  struct wire_header *header = &heard->record.header;
  header->size = sizeof heard->record + heard->record.path_length;
  header->type = WIRE_FILE;
  header->lane = LANE_SENSOR;
  if (told_this_second >= RECORDS_A_SECOND_MAX || output_fact(heard, header->size)) lost++;
  else told_this_second++;
}

/* False when there is nothing more. */
static bool take_batch(enum eye eye, void (*drain)(void)) {
  static char bytes[BATCH_BYTES] __attribute__((aligned(8)));
  ssize_t got = read(eyes[eye], bytes, sizeof bytes);
  if (got < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) lost++;
  /* Any other refusal is of one file that is gone with its process: who was written to is dead. The next may be read. */
  if (got <= 0) return got < 0 && errno != EAGAIN && errno != EINTR;
  __u64 at_ns = boot_ns();
  unsigned count = 0;
  const struct fanotify_event_metadata *event = (const void *)bytes;
  for (; FAN_EVENT_OK(event, got); event = FAN_EVENT_NEXT(event, got)) {
    if (event->vers != FANOTIFY_METADATA_VERSION) break;
    if (event->mask & FAN_Q_OVERFLOW) lost++;
    if (event->fd < 0) continue;
    int pidfd = pidfd_of(event);
    if (hear(eye, event, at_ns, &batch[count])) batch[count++].record.start_ns = sure_start_of(event->pid, pidfd);
    if (pidfd >= 0) close(pidfd);
    close(event->fd);
  }
  if (count > 0) drain();
  for (unsigned i = 0; i < count; i++) tell(&batch[i]);
  return true;
}

void files_read(enum eye eye, void (*drain)(void)) {
  if (eye == EYE_REPLACED) return watches_read();
  for (int round = 0; round < ROUNDS_MAX && take_batch(eye, drain); round++) {}
}
