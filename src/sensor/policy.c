#define _GNU_SOURCE
#include "policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "files.h"
#include "output.h"
#include "watches.h"

#define FRAME_MAX 65535
#define LIST_MAX 1200

static struct loaded *maps;
static unsigned char input[4 * (FRAME_MAX + 1)];
static size_t have;
static __u32 generation;
/* What is in the maps, so that a new list can take away what is not in it. */
static struct spared_key spared_now[LIST_MAX];
static __u32 spared_count;
static struct network_key networks_now[RULES_MAX][LIST_MAX];
static __u32 networks_count[RULES_MAX];

/* What a predecessor left in the tables: the first list of ours takes away what is not in it. */
void policy_open(struct loaded *loaded) {
  maps = loaded;
  if (!maps) return;
  struct spared_key spared = {0};
  for (bool any = !bpf_map_get_next_key(maps->spared, NULL, &spared); any && spared_count < LIST_MAX;
       any = !bpf_map_get_next_key(maps->spared, &spared, &spared))
    spared_now[spared_count++] = spared;
  struct network_key network = {0};
  for (bool any = !bpf_map_get_next_key(maps->networks, NULL, &network); any;
       any = !bpf_map_get_next_key(maps->networks, &network, &network))
    if (network.rule < RULES_MAX && networks_count[network.rule] < LIST_MAX)
      networks_now[network.rule][networks_count[network.rule]++] = network;
}
__u32 policy_generation(void) { return generation; }

static void set_settings(const struct policy_settings *frame) {
  __u32 zero = 0;
  struct settings now;
  if (bpf_map_lookup_elem(maps->settings, &zero, &now)) return;
  now.generation = generation = frame->generation;
  memcpy(now.rules, frame->rules, sizeof now.rules);
  now.hold = frame->hold;
  now.deep = frame->deep_syscalls;
  now.hold_ns = frame->hold_connection_ms * 1000000ULL;
  now.daemon_pid = frame->daemon_pid;
  bpf_map_update_elem(maps->settings, &zero, &now, BPF_ANY);
  const char *fault = loaded_guard(maps, frame->guard_on);
  if (*fault) fprintf(stderr, "sensor: GUARD_ON: %s\n", fault);
  fault = loaded_deep(maps, frame->deep_syscalls);
  if (*fault) fprintf(stderr, "sensor: DEEP_SYSCALLS: %s\n", fault);
}

static void set_programs(const struct policy_program *list, __u32 count) {
  for (__u32 i = 0; i < count; i++) {
    struct program_key key = {.inode = list[i].inode, .device = list[i].device};
    struct program value = {.code_letters = list[i].code_letters, .value_letters = list[i].value_letters, .program = list[i].program};
    bpf_map_update_elem(maps->programs, &key, &value, BPF_ANY);
    if (!list[i].sections) continue;
    /* A copy of it is the same program, and nobody installed it. */
    struct copy_key copy = {.entry = list[i].entry, .sections = list[i].sections};
    value.program &= ~(PROGRAM_VERIFIED | PROGRAM_EXEMPT | PROGRAM_SPARED | PROGRAM_LOGIN);
    bpf_map_update_elem(maps->copies, &copy, &value, BPF_ANY);
  }
}

static void set_exempt(const struct policy_exempt *list, __u32 count) {
  __u32 zero = 0;
  struct settings now;
  if (count > 64 || bpf_map_lookup_elem(maps->settings, &zero, &now)) return;
  for (__u32 i = 0; i < count; i++) bpf_map_update_elem(maps->exempt, &i, &list[i], BPF_ANY);
  now.exempts = count;
  bpf_map_update_elem(maps->settings, &zero, &now, BPF_ANY);
}

static void set_spared(const struct policy_spared *list, __u32 count) {
  static struct spared_key next[LIST_MAX];
  if (count > LIST_MAX) count = LIST_MAX;
  __u32 yes = 1;
  for (__u32 i = 0; i < count; i++) {
    next[i] = (struct spared_key){.id = list[i].id, .kind = list[i].kind};
    bpf_map_update_elem(maps->spared, &next[i], &yes, BPF_ANY);
  }
  for (__u32 i = 0; i < spared_count; i++) {
    bool stays = false;
    for (__u32 j = 0; j < count && !stays; j++) stays = memcmp(&spared_now[i], &next[j], sizeof *next) == 0;
    if (!stays) bpf_map_delete_elem(maps->spared, &spared_now[i]);
  }
  memcpy(spared_now, next, count * sizeof *next);
  spared_count = count;
}

static void set_networks(const struct policy_network *list, __u32 count, __u32 rule) {
  static struct network_key next[LIST_MAX];
  if (rule >= RULES_MAX) return;
  if (count > LIST_MAX) count = LIST_MAX;
  for (__u32 i = 0; i < count; i++) {
    struct network value = {.until_ns = list[i].until_ns, .port = list[i].port};
    memset(&next[i], 0, sizeof *next);
    next[i].prefix_bits = RULE_BITS + list[i].prefix_bits + (list[i].family == 4 ? 96 : 0);
    next[i].rule = rule;
    if (list[i].family == 4) {
      next[i].address[10] = next[i].address[11] = 0xff;
      memcpy(next[i].address + 12, list[i].address, 4);
    } else memcpy(next[i].address, list[i].address, 16);
    bpf_map_update_elem(maps->networks, &next[i], &value, BPF_ANY);
  }
  for (__u32 i = 0; i < networks_count[rule]; i++) {
    bool stays = false;
    for (__u32 j = 0; j < count && !stays; j++) stays = memcmp(&networks_now[rule][i], &next[j], sizeof *next) == 0;
    if (!stays) bpf_map_delete_elem(maps->networks, &networks_now[rule][i]);
  }
  memcpy(networks_now[rule], next, count * sizeof *next);
  networks_count[rule] = count;
}

static void answer(const struct policy_answer *frame) {
  __u64 now = boot_ns();
  struct answered value = {.at_ns = now, .answer = frame->answer, .until_ns = now + frame->more_ms * 1000000ULL};
  bpf_map_update_elem(maps->answers, &frame->id, &value, BPF_ANY);
}

/* A child of ours that executes and connects, to be seen by our own programs. */
static void be_seen(__u64 nonce) {
  struct wire_canary record = {.nonce = nonce, .port = 9};
  pid_t child = fork();
  if (child == 0) {
    int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (out >= 0) connect(out, (struct sockaddr *)&to, sizeof to);
    close(0);
    close(1);
    char *words[] = {"algo-sensor", "--seen", NULL}, *nothing[] = {NULL};
    execve("/proc/self/exe", words, nothing);
    _exit(127);
  }
  record.exec_pid = child > 0 ? child : 0;
  files_canary(record.exec_pid);
  output_own(&record.header, sizeof record, WIRE_CANARY);
}

/* Whether the list in a frame fits into it. */
static bool fits(const struct wire_header *header, size_t head, size_t each, __u32 count) {
  return header->size >= head && count <= (header->size - head) / each;
}

static bool obey(const struct wire_header *header) {
  const struct policy_programs *programs = (const void *)header;
  const struct policy_list *list = (const void *)header;
  /* Without BPF there is nobody to give orders to. */
  if (!maps && header->type != POLICY_CANARY && header->type != POLICY_STOP) return true;
  switch (header->type) {
  case POLICY_SETTINGS:
    if (header->size < sizeof(struct policy_settings)) return false;
    set_settings((const void *)header);
    return true;
  case POLICY_PROGRAMS:
    if (!fits(header, sizeof *programs, sizeof(struct policy_program), programs->count)) return false;
    set_programs((const void *)(programs + 1), programs->count);
    return true;
  case POLICY_EXEMPT:
    if (!fits(header, sizeof *list, sizeof(struct policy_exempt), list->count)) return false;
    set_exempt((const void *)(list + 1), list->count);
    return true;
  case POLICY_SPARED:
    if (!fits(header, sizeof *list, sizeof(struct policy_spared), list->count)) return false;
    set_spared((const void *)(list + 1), list->count);
    return true;
  case POLICY_NETWORKS:
    if (!fits(header, sizeof *list, sizeof(struct policy_network), list->count)) return false;
    set_networks((const void *)(list + 1), list->count, list->rule);
    return true;
  case POLICY_ANSWER:
    if (header->size < sizeof(struct policy_answer)) return false;
    answer((const void *)header);
    return true;
  case POLICY_CANARY:
    if (header->size < sizeof(struct policy_canary)) return false;
    be_seen(((const struct policy_canary *)header)->nonce);
    return true;
  case POLICY_WATCH:
    return header->size >= sizeof *list && watches_replace(list + 1, header->size - sizeof *list, list->count);
  case POLICY_STOP:
  default:
    return false;
  }
}

bool policy_read(int descriptor) {
  ssize_t got = read(descriptor, input + have, sizeof input - have);
  if (got <= 0) return got < 0 && (errno == EINTR || errno == EAGAIN);
  have += got;
  size_t at = 0;
  while (have - at >= sizeof(struct wire_header)) {
    const struct wire_header *header = (const void *)(input + at);
    if (header->size < sizeof *header || header->size % 8) {
      fprintf(stderr, "sensor: a frame of policy of %u bytes makes no sense; ending\n", header->size);
      return false;
    }
    if (have - at < header->size) break;
    if (!obey(header)) return false;
    at += header->size;
  }
  memmove(input, input + at, have - at);
  have -= at;
  return true;
}
