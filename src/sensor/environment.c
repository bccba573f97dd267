#include "environment.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wire.h"

/* More execs than processors can have at once between their two records. */
#define WAITING_MAX 64
#define READ_MAX 65536

static const char *const names[] = {
    "LD_PRELOAD=", "LD_LIBRARY_PATH=", "LD_AUDIT=", "BASH_ENV=", "ENV=", "PROMPT_COMMAND=", "PYTHONSTARTUP=",
    "PYTHONPATH=", "PERL5OPT=", "PERL5LIB=", "RUBYOPT=", "NODE_OPTIONS=", "GIT_SSH_COMMAND=",
};

static bool loads_code(const char *word, size_t length) {
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    size_t size = strlen(names[i]);
    if (length > size && memcmp(word, names[i], size) == 0) return true;
  }
  return false;
}

size_t environment_kept(const char *words, size_t length, char *to, size_t room) {
  size_t put = 0;
  for (size_t at = 0; at < length;) {
    const char *end = memchr(words + at, 0, length - at);
    size_t size = end ? (size_t)(end - words) - at : length - at;
    if (loads_code(words + at, size)) {
      size_t kept = size < WIRE_VARIABLE_MAX ? size : WIRE_VARIABLE_MAX - 1;
      if (put + kept + 1 > room) return put;
      memcpy(to + put, words + at, kept);
      to[put + kept] = 0;
      put += kept + 1;
    }
    at += size + 1;
  }
  return put;
}

static struct waiting {
  struct wire_environment record;
  char words[WIRE_TEXT_MAX];
} waiting[WAITING_MAX];
static unsigned newest;

static void keep(const struct wire_environment *record) {
  struct waiting *one = &waiting[newest++ % WAITING_MAX];
  size_t length = record->header.size - sizeof *record;
  one->record = *record;
  one->record.header.size = environment_kept((const char *)(record + 1), length, one->words, sizeof one->words);
}

/* What the kernel's program did not get to, if the process has not gone on meanwhile. */
static size_t read_rest(__u32 pid, char *to, size_t room) {
  static char words[READ_MAX];
  char path[32];
  snprintf(path, sizeof path, "/proc/%u/environ", pid);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got, have = 0;
  while (file >= 0 && (got = read(file, words + have, sizeof words - have)) > 0) have += got;
  if (file >= 0) close(file);
  return environment_kept(words, have, to, room);
}

const struct wire_header *environment_joined(const struct wire_header *record) {
  static __attribute__((aligned(8))) char joined[WIRE_RECORD_MAX];
  if (record->type == WIRE_ENVIRONMENT) {
    keep((const void *)record);
    return NULL;
  }
  const struct wire_exec *exec = (const void *)record;
  struct waiting *one = NULL;
  for (unsigned i = 0; record->type == WIRE_EXEC && i < WAITING_MAX && !one; i++)
    if (waiting[i].record.pid == exec->task.pid && waiting[i].record.start_ns == exec->task.start_ns) one = &waiting[i];
  if (!one) return record;
  memcpy(joined, record, record->size);
  struct wire_exec *whole = (void *)joined;
  size_t at = sizeof *whole + exec->arguments_length + exec->path_length + exec->directory_length, room = sizeof joined - 8 - at;
  size_t length = one->record.header.size < room ? one->record.header.size : room;
  memcpy(joined + at, one->words, length);
  if (one->record.flags & EXEC_ENVIRONMENT_CUT) {
    size_t all = read_rest(exec->task.pid, joined + at, room);
    if (all > length) length = all;
    else memcpy(joined + at, one->words, length);
  }
  whole->flags |= one->record.flags;
  whole->environment_length = length;
  whole->header.size = (at + length + 7) & ~7u;
  one->record.pid = 0;
  return &whole->header;
}
