#define _GNU_SOURCE
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "environment.h"

#define TICK_NS 10000000ULL
#define DIRECTORY_MAX 480
#define ENVIRONMENT_READ_MAX 65536
#define NOBODY 4294967295u

struct stat_line {
  __u32 parent, session, tty;
  __u64 start_ns;
};

static const char *path_of(__u32 pid, const char *format, ...) {
  static char path[96];
  int length = snprintf(path, sizeof path, "/proc/%u/", pid);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(path + length, sizeof path - length, format, arguments);
  va_end(arguments);
  return path;
}

/* As much as there is and fits; -1 where there is none. */
static ssize_t read_file(const char *path, void *to, size_t room) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  size_t have = 0;
  ssize_t got;
  while (have < room && (got = read(file, (char *)to + have, room - have)) > 0) have += got;
  close(file);
  return have;
}

static bool read_text(const char *path, char *to, size_t room) {
  ssize_t length = read_file(path, to, room - 1);
  to[length < 0 ? 0 : length] = 0;
  return length > 0;
}

static __u32 number_in(const char *path, __u32 otherwise) {
  char text[32];
  return read_text(path, text, sizeof text) ? strtoul(text, NULL, 10) : otherwise;
}

static bool read_stat(__u32 pid, struct stat_line *out) {
  char text[1024];
  if (!read_text(path_of(pid, "stat"), text, sizeof text)) return false;
  char *behind = strrchr(text, ')'); /* the name may hold anything */
  unsigned long long start;
  unsigned parent, session;
  int tty;
  if (!behind || sscanf(behind + 1, " %*c %u %*d %u %d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                        &parent, &session, &tty, &start) != 4) return false;
  *out = (struct stat_line){.parent = parent, .session = session, .tty = tty, .start_ns = start * TICK_NS};
  return true;
}

__u64 proc_start_ns(__u32 pid) {
  struct stat_line line;
  return read_stat(pid, &line) ? line.start_ns : 0;
}

static __u32 kernel_device(dev_t device) { return major(device) << 20 | minor(device); }

static __u32 space_of(__u32 pid, const char *name) {
  struct stat space;
  return stat(path_of(pid, "ns/%s", name), &space) ? 0 : space.st_ino;
}

/* The second and third number of a line of status: effective follows real. */
static void read_ids(const char *status, const char *name, __u32 *real, __u32 *effective) {
  const char *line = strstr(status, name);
  if (line) sscanf(line + strlen(name), "%u %u", real, effective);
}

/* Of cgroup v2: the inode of its directory, wherever that tree is mounted. */
static __u64 cgroup_of(__u32 pid) {
  char text[2048], path[2200];
  if (!read_text(path_of(pid, "cgroup"), text, sizeof text)) return 0;
  char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
  if (!line) return 0;
  line = strstr(line, "0::") + 3;
  line[strcspn(line, "\n")] = 0;
  static const char *const roots[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
  for (unsigned i = 0; i < sizeof roots / sizeof *roots; i++) {
    struct stat directory;
    snprintf(path, sizeof path, "%s%s", roots[i], line);
    if (stat(path, &directory) == 0) return directory.st_ino;
  }
  return 0;
}

/* Its file: the path, and into `task` what it is. */
static size_t read_file_of(__u32 pid, struct wire_task *task, char *path, size_t room) {
  struct stat file;
  ssize_t length = readlink(path_of(pid, "exe"), path, room - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  if (stat(path_of(pid, "exe"), &file) == 0) {
    task->exe_device = kernel_device(file.st_dev);
    task->exe_inode = file.st_ino;
    if (file.st_nlink == 0) task->state |= TASK_DELETED;
    if (file.st_mode & (S_ISUID | S_ISGID)) task->state |= TASK_SETUID;
  }
  if (strncmp(path, "/memfd:", 7) == 0) task->state |= TASK_MEMFD;
  if (strncmp(path, "/tmp/", 5) == 0 || strncmp(path, "/var/tmp/", 9) == 0 || strncmp(path, "/dev/shm/", 9) == 0)
    task->state |= TASK_TEMPORARY;
  return length;
}

static void read_task(__u32 pid, const struct stat_line *line, struct wire_task *task) {
  char status[4096];
  task->pid = pid;
  task->parent_pid = line->parent;
  task->start_ns = line->start_ns;
  task->parent_start_ns = line->parent ? proc_start_ns(line->parent) : 0;
  task->session = line->session;
  task->tty = line->tty;
  if (read_text(path_of(pid, "status"), status, sizeof status)) {
    __u32 real_gid = 0;
    read_ids(status, "\nUid:", &task->real_uid, &task->uid);
    read_ids(status, "\nGid:", &real_gid, &task->gid);
    const char *capabilities = strstr(status, "\nCapEff:");
    if (capabilities) task->capabilities = strtoull(capabilities + 8, NULL, 16);
  }
  task->login_uid = number_in(path_of(pid, "loginuid"), NOBODY);
  task->audit_session = number_in(path_of(pid, "sessionid"), NOBODY);
  task->mount_namespace = space_of(pid, "mnt");
  task->net_namespace = space_of(pid, "net");
  task->user_namespace = space_of(pid, "user");
  task->pid_namespace = space_of(pid, "pid");
  task->cgroup = cgroup_of(pid);
  task->program = PROGRAM_KNOWN; /* the daemon has nobody to tell it to */
}

static void read_descriptor(__u32 pid, int number, struct wire_fd *out) {
  struct stat file;
  if (stat(path_of(pid, "fd/%d", number), &file)) return;
  out->inode = file.st_ino;
  out->device = kernel_device(file.st_dev);
  switch (file.st_mode & S_IFMT) {
  case S_IFREG: out->kind = FD_FILE; return;
  case S_IFDIR: out->kind = FD_DIRECTORY; return;
  case S_IFIFO: out->kind = FD_PIPE; return;
  case S_IFCHR:
    out->device = kernel_device(file.st_rdev);
    out->kind = file.st_rdev == makedev(1, 3) ? FD_NULL : major(file.st_rdev) >= 136 && major(file.st_rdev) <= 143 ? FD_PTS : FD_OTHER;
    return;
  default: out->kind = FD_OTHER; /* which kind of socket /proc does not say */
  }
}

/* `/usr/bin` as `bin\0usr\0`. */
static size_t read_directory(__u32 pid, char *to, size_t room, __u32 *flags) {
  char path[DIRECTORY_MAX];
  ssize_t length = readlink(path_of(pid, "cwd"), path, sizeof path - 1);
  if (length <= 0 || length == sizeof path - 1 || (size_t)length + 1 > room) {
    *flags |= EXEC_DIRECTORY_CUT;
    return 0;
  }
  path[length] = 0;
  size_t put = 0;
  for (char *slash; (slash = strrchr(path, '/')); *slash = 0) {
    size_t size = strlen(slash + 1) + 1;
    if (size > 1) put = (char *)memcpy(to + put, slash + 1, size) + size - to;
  }
  return put;
}

size_t proc_exec(__u32 pid, void *to, size_t room) {
  static char environment[ENVIRONMENT_READ_MAX];
  struct wire_exec *record = to;
  struct stat_line line;
  if (!read_stat(pid, &line)) return 0;
  memset(record, 0, sizeof *record);
  record->flags = EXEC_INCOMPLETE;
  char *at = (char *)(record + 1), *end = (char *)to + room;
  /* What changes soonest is read first: a process may execute the next program at any moment. */
  ssize_t words = read_file(path_of(pid, "cmdline"), at, WIRE_TEXT_MAX);
  if (words == WIRE_TEXT_MAX) record->flags |= EXEC_ARGUMENTS_CUT;
  record->arguments_length = words > 0 ? words : 0;
  at += record->arguments_length;
  record->path_length = read_file_of(pid, &record->task, at, 1024);
  if (!record->path_length) return 0; /* it ended: what is left of it has no file */
  at += record->path_length;
  record->directory_length = read_directory(pid, at, DIRECTORY_MAX, &record->flags);
  at += record->directory_length;
  ssize_t loads = read_file(path_of(pid, "environ"), environment, sizeof environment);
  if (loads == sizeof environment) record->flags |= EXEC_ENVIRONMENT_CUT;
  if (loads > 0) record->environment_length = environment_kept(environment, loads, at, end - at);
  at += record->environment_length;
  for (int i = 0; i < 3; i++) read_descriptor(pid, i, &record->fds[i]);
  read_task(pid, &line, &record->task);
  while ((at - (char *)to) % 8) *at++ = 0;
  return at - (char *)to;
}
