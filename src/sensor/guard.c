#define _GNU_SOURCE
#include "guard.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "loader.h"

#define BPFFS_MAGIC 0xcafe4a11
#define PLACE "/run/algo-monitor/bpf"
#define PATH_SIZE 512

extern const unsigned char sensor_bpf[], sensor_bpf_end[];

static char error_text[200];
static bool pinned;

/* Tables of another build may be laid out otherwise: each build has a directory of its own. */
static const char *version(void) {
  static char text[20];
  if (!text[0]) {
    __u64 hash = 1469598103934665603ULL;
    for (const unsigned char *at = sensor_bpf; at < sensor_bpf_end; at++) hash = (hash ^ *at) * 1099511628211ULL;
    snprintf(text, sizeof text, "%016llx", hash);
  }
  return text;
}

static void path_of(char path[PATH_SIZE], const char *kind, const char *name) {
  snprintf(path, PATH_SIZE, "%s/%s/%s%s%s", PLACE, version(), kind, *name ? "/" : "", name);
}

static bool is_mounted(void) {
  struct statfs fs;
  return statfs(PLACE, &fs) == 0 && (unsigned)fs.f_type == BPFFS_MAGIC;
}

bool guard_adopt(struct bpf_object *object) {
  char path[PATH_SIZE];
  bool any = false;
  if (!is_mounted()) return false;
  struct bpf_map *map;
  bpf_object__for_each_map(map, object) {
    path_of(path, "maps", bpf_map__name(map));
    if (access(path, F_OK)) continue;
    bpf_map__set_pin_path(map, path);
    any = true;
  }
  pinned = any;
  return any;
}

static void remove_tree(const char *path, int depth) {
  DIR *folder = depth < 4 ? opendir(path) : NULL;
  if (folder) {
    for (struct dirent *entry; (entry = readdir(folder));) {
      char inner[PATH_SIZE];
      if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
      if (snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) < PATH_SIZE) remove_tree(inner, depth + 1);
    }
    closedir(folder);
    rmdir(path);
  } else unlink(path);
}

void guard_release_links(void) {
  if (!is_mounted()) return;
  DIR *folder = opendir(PLACE);
  for (struct dirent *entry; folder && (entry = readdir(folder));) {
    char path[PATH_SIZE];
    if (entry->d_name[0] == '.') continue;
    bool ours = strcmp(entry->d_name, version()) == 0;
    snprintf(path, sizeof path, "%s/%s%s", PLACE, entry->d_name, ours ? "/links" : "");
    remove_tree(path, 0);
  }
  if (folder) closedir(folder);
}

void guard_remove(void) {
  pinned = false;
  if (!is_mounted()) return;
  char path[PATH_SIZE];
  snprintf(path, sizeof path, "%s/%s", PLACE, version());
  guard_release_links();
  remove_tree(path, 0);
  umount2(PLACE, MNT_DETACH);
  rmdir(PLACE);
}

static const char *cannot(const char *what) {
  snprintf(error_text, sizeof error_text, "%s: %s", what, strerror(errno));
  return error_text;
}

static const char *pin(struct loaded *loaded) {
  char path[PATH_SIZE];
  mkdir(PLACE, 0700);
  if (!is_mounted() && mount("algo-monitor", PLACE, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
    return cannot("no bpffs can be mounted at " PLACE);
  path_of(path, "", "");
  mkdir(path, 0700);
  path_of(path, "maps", "");
  mkdir(path, 0700);
  path_of(path, "links", "");
  mkdir(path, 0700);
  struct bpf_map *map;
  bpf_object__for_each_map(map, loaded->object) {
    if (bpf_map__is_pinned(map)) continue;
    path_of(path, "maps", bpf_map__name(map));
    /* The compiler's own tables (constants) are made anew with each load. */
    if (strchr(bpf_map__name(map), '.')) continue;
    if (bpf_map__pin(map, path) && errno != EEXIST) return cannot("a table cannot be pinned");
  }
  for (int i = 0; i < loaded->hook_count; i++) {
    if (!loaded->hooks[i].link) continue;
    path_of(path, "links", loaded->hooks[i].name);
    unlink(path);
    if (bpf_link__pin(loaded->hooks[i].link, path)) return cannot("a program cannot be pinned");
  }
  return "";
}

const char *loaded_guard(struct loaded *loaded, bool on) {
  static int state = -1;
  if (state == on) return "";
  state = on;
  if (on) return pin(loaded);
  if (pinned || is_mounted()) guard_remove();
  return "";
}
