/*
 * Marks lie on inodes, so a file is seen under every name and from every namespace. A file that is replaced is another
 * inode: inotify on its directory says so, and the mark is renewed a millisecond or two later. What inotify cannot say (a
 * directory made anew, its queue run over) the look that `files_tick` asks for finds within ten seconds.
 */
#define _GNU_SOURCE
#include "watches.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <unistd.h>

#define WATCHES_MAX 1024
#define READ_BYTES 8192
#define ROUNDS_MAX 64 /* of one wake-up */
/* A truncate by path and a write through an older descriptor open nothing. */
#define FILE_EVENTS (FAN_OPEN | FAN_MODIFY)
#define DIRECTORY_EVENTS (IN_CREATE | IN_MOVED_TO | IN_ONLYDIR)

struct watch {
  char *path;
  __u32 kind;
  dev_t device;
  ino_t inode;
  bool marked, refused, wanted;
};

static struct watch list[WATCHES_MAX];
static __u32 count;
static int file_group = -1, process_group = -1, directory_eye = -1;

void watches_open(int files, int processes, int directories) {
  file_group = files;
  process_group = processes;
  directory_eye = directories;
}

static void watch_directory(const char *path) {
  char directory[PATH_MAX];
  snprintf(directory, sizeof directory, "%s", path);
  char *slash = strrchr(directory, '/');
  if (!slash || directory_eye < 0) return;
  slash[slash == directory] = 0;
  inotify_add_watch(directory_eye, directory, DIRECTORY_EVENTS);
}

static bool mark(int group, unsigned how, __u64 mask, const char *path) {
  return group >= 0 && fanotify_mark(group, how, mask, AT_FDCWD, path) == 0;
}

static void look(struct watch *one) {
  if (one->kind == WATCH_PROCESS_MEMORY) { /* a /proc of another PID namespace, which may be gone */
    one->marked = mark(process_group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_MODIFY, one->path);
    return;
  }
  watch_directory(one->path);
  struct stat file;
  if (stat(one->path, &file) || !S_ISREG(file.st_mode)) {
    one->marked = one->refused = false;
    return;
  }
  /* Again also where it seems to be the same: the number of an inode is given anew. */
  one->marked = mark(file_group, FAN_MARK_ADD, FILE_EVENTS, one->path);
  one->refused = !one->marked;
  one->device = file.st_dev;
  one->inode = file.st_ino;
}

void watches_look(void) {
  for (__u32 i = 0; i < count; i++) look(&list[i]);
}

void watches_read(void) {
  char bytes[READ_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
  for (int round = 0; round < ROUNDS_MAX; round++) {
    ssize_t got = read(directory_eye, bytes, sizeof bytes);
    if (got <= 0) return;
    const struct inotify_event *event;
    for (char *at = bytes; at < bytes + got; at += sizeof *event + event->len) {
      event = (const void *)at;
      if (event->mask & IN_Q_OVERFLOW) watches_look();
      if (!event->len) continue;
      for (__u32 i = 0; i < count; i++) {
        const char *slash = strrchr(list[i].path, '/');
        if (slash && strcmp(slash + 1, event->name) == 0) look(&list[i]);
      }
    }
  }
}

const char *watches_find(const struct stat *file, __u32 *kind) {
  for (__u32 i = 0; i < count; i++) {
    if (!list[i].marked || list[i].inode != file->st_ino || list[i].device != file->st_dev) continue;
    *kind = list[i].kind;
    return list[i].path;
  }
  return NULL;
}

void watches_count(__u32 *marked, __u32 *refused) {
  *marked = *refused = 0;
  for (__u32 i = 0; i < count; i++) {
    *marked += list[i].marked && list[i].kind != WATCH_PROCESS_MEMORY;
    *refused += list[i].refused;
  }
}

static struct watch *entry_of(const char *path, size_t length, __u32 kind) {
  for (__u32 i = 0; i < count; i++)
    if (list[i].kind == kind && strncmp(list[i].path, path, length) == 0 && !list[i].path[length]) return &list[i];
  if (count == WATCHES_MAX) return NULL;
  char *copy = strndup(path, length);
  if (!copy) return NULL;
  list[count] = (struct watch){.path = copy, .kind = kind};
  return &list[count++];
}

/* A mark on a file that was replaced meanwhile tells of an inode that nobody asks for any more. */
static void forget(struct watch *one) {
  if (one->marked && one->kind != WATCH_PROCESS_MEMORY) mark(file_group, FAN_MARK_REMOVE, FILE_EVENTS, one->path);
  free(one->path);
}

bool watches_replace(const void *entries, size_t size, __u32 wanted) {
  for (__u32 i = 0; i < count; i++) list[i].wanted = false;
  const unsigned char *at = entries;
  for (__u32 i = 0; i < wanted; i++) {
    const struct policy_watch *entry = (const void *)at;
    if (size < sizeof *entry || entry->path_length == 0 || entry->path_length >= PATH_MAX) return false;
    size_t whole = (sizeof *entry + entry->path_length + 7) & ~7UL;
    if (size < whole) return false;
    struct watch *one = entry_of((const char *)(entry + 1), entry->path_length, entry->watch);
    if (one) one->wanted = true;
    at += whole;
    size -= whole;
  }
  __u32 kept = 0;
  for (__u32 i = 0; i < count; i++) {
    if (list[i].wanted) list[kept++] = list[i];
    else forget(&list[i]);
  }
  count = kept;
  watches_look();
  return true;
}
