#define _GNU_SOURCE
#include "loader.h"
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The object file, put there by the build (src/tools/build_sensor.ts). */
extern const unsigned char sensor_bpf[], sensor_bpf_end[];

static char complaints[400];
#define DEEP_PROGRAM "on_syscall"

/* Without these nothing is guarded; all others are eyes more or less. */
static const char *const needed[] = {"on_fork", "on_exec", "on_exec_judged", "on_exit", "on_state", "on_receive", NULL};

static bool is_needed(const char *name) {
  for (int i = 0; needed[i]; i++)
    if (strcmp(needed[i], name) == 0) return true;
  return false;
}

/* Keeps the last words of libbpf: they name the program and the reason. */
static int complain(enum libbpf_print_level level, const char *format, va_list arguments) {
  if (getenv("ALGO_SENSOR_VERBOSE")) return vfprintf(stderr, format, arguments);
  if (level == LIBBPF_WARN) {
    char line[sizeof complaints];
    vsnprintf(line, sizeof line, format, arguments);
    for (char *at = line; *at; at++) if (*at == '\n') *at = at[1] ? ' ' : 0;
    if (!strstr(line, "BEGIN PROG LOAD LOG")) memcpy(complaints, line, sizeof complaints);
  }
  return 0;
}

__u64 boot_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static bool fail(struct loaded *out, const char *what, int error) {
  snprintf(out->failure, sizeof out->failure, "%s: %s%s%s", what, strerror(error), complaints[0] ? "; " : "", complaints);
  return false;
}

/* All of them, all but what is attached by order only, or those that are needed: one that a kernel refuses takes none with it. */
enum extent { EVERYTHING, WITHOUT_DEEP, NEEDED_ONLY };

static bool is_wanted(const char *name, enum extent extent) {
  if (extent == NEEDED_ONLY) return is_needed(name);
  return extent == EVERYTHING || strcmp(name, DEEP_PROGRAM) != 0;
}

static bool load(struct loaded *out, enum extent extent) {
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "algo_sensor");
  out->object = bpf_object__open_mem(sensor_bpf, sensor_bpf_end - sensor_bpf, &options);
  if (!out->object) return fail(out, "the programs cannot be read", errno);
  out->adopted = guard_adopt(out->object);
  struct bpf_program *program;
  bpf_object__for_each_program(program, out->object)
    if (!is_wanted(bpf_program__name(program), extent)) bpf_program__set_autoload(program, false);
  if (bpf_object__load(out->object) == 0) return true;
  int error = errno;
  bpf_object__close(out->object);
  out->object = NULL;
  return fail(out, "the kernel refuses the programs", error);
}

static void attach(struct loaded *out, int cgroup) {
  struct bpf_program *program;
  bpf_object__for_each_program(program, out->object) {
    if (out->hook_count >= HOOKS_MAX) return;
    if (strcmp(bpf_program__name(program), DEEP_PROGRAM) == 0) continue; /* by order only */
    struct hook *hook = &out->hooks[out->hook_count++];
    hook->name = bpf_program__name(program);
    hook->program = bpf_program__fd(program);
    if (hook->program < 0) {
      snprintf(hook->answer, sizeof hook->answer, "refused by this kernel");
      continue;
    }
    bool grouped = strncmp(bpf_program__section_name(program), "cgroup", 6) == 0;
    if (grouped && cgroup < 0) {
      snprintf(hook->answer, sizeof hook->answer, "no cgroup v2 here");
      continue;
    }
    struct bpf_link *link = grouped ? bpf_program__attach_cgroup(program, cgroup) : bpf_program__attach(program);
    hook->link = link;
    if (link) strcpy(hook->answer, "ok"); /* lives as long as we do, or as its pin */
    else snprintf(hook->answer, sizeof hook->answer, "%s", strerror(errno));
  }
}

const char *loaded_deep(struct loaded *loaded, bool on) {
  static struct bpf_link *link;
  if (on == (link != NULL)) return "";
  if (!on) {
    bpf_link__destroy(link);
    link = NULL;
    return "";
  }
  struct bpf_program *program = bpf_object__find_program_by_name(loaded->object, DEEP_PROGRAM);
  if (!program || bpf_program__fd(program) < 0) return "refused by this kernel";
  link = bpf_program__attach(program);
  return link ? "" : strerror(errno);
}

static int map_of(struct loaded *out, const char *name) {
  return bpf_object__find_map_fd_by_name(out->object, name);
}

bool loaded_open(struct loaded *out, const char *cgroup_path) {
  memset(out, 0, sizeof *out);
  libbpf_set_print(complain);
  struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_MEMLOCK, &unlimited); /* kernels before 5.11 count maps there */
  if (access("/sys/kernel/btf/vmlinux", R_OK)) {
    snprintf(out->failure, sizeof out->failure, "this kernel has no type information (/sys/kernel/btf/vmlinux: %s)", strerror(errno));
    return false;
  }
  if (!load(out, EVERYTHING) && !load(out, WITHOUT_DEEP) && !load(out, NEEDED_ONLY)) return false;
  complaints[0] = 0;
  out->urgent = map_of(out, "urgent");
  out->vital = map_of(out, "vital");
  out->other = map_of(out, "other");
  out->settings = map_of(out, "settings");
  out->programs = map_of(out, "programs");
  out->copies = map_of(out, "copies");
  out->exempt = map_of(out, "exempt");
  out->spared = map_of(out, "spared");
  out->networks = map_of(out, "networks");
  out->answers = map_of(out, "answers");
  out->refused = map_of(out, "refused");
  out->counters = map_of(out, "counters");

  struct stat space;
  if (stat("/proc/self/ns/pid", &space)) return fail(out, "/proc/self/ns/pid", errno);
  __u32 zero = 0;
  struct settings settings = {0};
  bpf_map_lookup_elem(out->settings, &zero, &settings); /* of a predecessor: what it enforced goes on until we are told better */
  settings.namespace_inode = space.st_ino;
  settings.namespace_device = space.st_dev;
  settings.level = -1;
  settings.sensor_pid = getpid();
  if (bpf_map_update_elem(out->settings, &zero, &settings, BPF_ANY)) return fail(out, "the settings cannot be written", errno);
  int cgroup = open(cgroup_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  attach(out, cgroup);
  for (int i = 0; i < out->hook_count; i++)
    if (is_needed(out->hooks[i].name) && strcmp(out->hooks[i].answer, "ok") != 0) {
      snprintf(out->failure, sizeof out->failure, "%s cannot be attached: %s", out->hooks[i].name, out->hooks[i].answer);
      return false;
    }
  /* The fork by which the programs learn which level of namespaces is ours. */
  pid_t child = fork();
  if (child == 0) _exit(0);
  if (child > 0) waitpid(child, NULL, 0);
  bpf_map_lookup_elem(out->settings, &zero, &settings);
  guard_release_links(); /* ours stand now: what a predecessor left may go */
  if (settings.level < 0) return fail(out, "the programs did not see a fork of ours; records are not written here", ENOTSUP);
  return true;
}

size_t loaded_text(const struct loaded *loaded, char *text, size_t size) {
  size_t length = 0;
  for (int i = 0; i < loaded->hook_count && length < size; i++)
    length += snprintf(text + length, size - length, "%s\t%s\n", loaded->hooks[i].name, loaded->hooks[i].answer);
  return length < size ? length : size - 1;
}

void loaded_counters(const struct loaded *loaded, __u64 counters[COUNTERS]) {
  int processors = libbpf_num_possible_cpus();
  __u64 values[processors > 0 ? processors : 1];
  for (__u32 which = 0; which < COUNTERS; which++) {
    counters[which] = 0;
    if (bpf_map_lookup_elem(loaded->counters, &which, values)) continue;
    for (int i = 0; i < processors; i++) counters[which] += values[i];
  }
}

__u32 loaded_checked(const struct hook *hook) {
  struct bpf_prog_info info = {0};
  __u32 size = sizeof info;
  if (hook->program < 0 || bpf_obj_get_info_by_fd(hook->program, &info, &size)) return 0;
  return info.verified_insns;
}

__u64 loaded_misses(const struct loaded *loaded) {
  __u64 misses = 0;
  for (int i = 0; i < loaded->hook_count; i++) {
    struct bpf_prog_info info = {0};
    __u32 size = sizeof info;
    if (loaded->hooks[i].program >= 0 && bpf_obj_get_info_by_fd(loaded->hooks[i].program, &info, &size) == 0)
      misses += info.recursion_misses;
  }
  return misses;
}
