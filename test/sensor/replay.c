/*
 * The sensor's hands without a kernel: policy frames from standard input into real maps where there are some (else every
 * map call fails, which must do no harm), then records from the file in argv[1] through the output's buffer, which nobody
 * reads. Built with sanitizers by test/sensor/replay.ts; ends 0 when all was taken, 1 when a frame made no sense.
 *
 *   replay RECORDS <FRAMES
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader.h"
#include "output.h"
#include "policy.h"

/* Nothing is loaded here. */
__u64 boot_ns(void) { return 1; }
const char *loaded_deep(struct loaded *loaded, bool on) {
  (void)loaded;
  (void)on;
  return "";
}
const char *loaded_guard(struct loaded *loaded, bool on) {
  (void)loaded;
  return on ? "not in a replay" : "";
}

static int map(enum bpf_map_type kind, size_t key, size_t value, unsigned entries, unsigned flags) {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);
  return bpf_map_create(kind, NULL, key, value, entries, &options);
}

int main(int count, char **words) {
  static struct loaded loaded;
  loaded.settings = map(BPF_MAP_TYPE_ARRAY, 4, sizeof(struct settings), 1, 0);
  loaded.programs = map(BPF_MAP_TYPE_HASH, sizeof(struct program_key), sizeof(struct program), PROGRAMS_MAX, 0);
  loaded.copies = map(BPF_MAP_TYPE_LRU_HASH, sizeof(struct copy_key), sizeof(struct program), 1024, 0);
  loaded.exempt = map(BPF_MAP_TYPE_ARRAY, 4, sizeof(struct policy_exempt), 64, 0);
  loaded.spared = map(BPF_MAP_TYPE_HASH, sizeof(struct spared_key), 4, 1024, 0);
  loaded.networks = map(BPF_MAP_TYPE_LPM_TRIE, sizeof(struct network_key), sizeof(struct network), 16384, BPF_F_NO_PREALLOC);
  loaded.answers = map(BPF_MAP_TYPE_LRU_HASH, 8, sizeof(struct answered), 4096, 0);
  int pipes[2];
  if (pipe(pipes)) return 2;
  output_open(pipes[1]);
  policy_open(&loaded);
  char probe;
  bool sensible = true;
  while (sensible && (sensible = policy_read(STDIN_FILENO))) {}
  /* At the end of input policy_read answers false as for nonsense: what is left in the pipe tells them apart. */
  int nonsense = read(STDIN_FILENO, &probe, 1) > 0;
  FILE *records = count > 1 ? fopen(words[1], "rb") : NULL;
  if (records) {
    unsigned char *record = malloc(WIRE_RECORD_MAX);
    size_t size;
    while ((size = fread(record, 1, WIRE_RECORD_MAX, records)) > 0) {
      size_t part = size < 16 ? size : 16 + record[2] * 8 % (size - 15);
      output_urgent(record, part);
      output_fact(record, size);
      output_has_room();
      static unsigned char drained[1 << 16];
      if (record[0] & 1) (void)!read(pipes[0], drained, sizeof drained);
    }
    free(record);
    fclose(records);
  }
  output_flush();
  return nonsense;
}
