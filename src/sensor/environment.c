#include "environment.h"

#include <stdbool.h>
#include <string.h>

#include "wire.h"

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
