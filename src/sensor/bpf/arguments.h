/*
 * What an interpreter was told to run, read from argv as it was at exec: code in its arguments, commands from standard
 * input, or a script file. The same grammar as src/context/scripts.ts, letter by letter; its state lives in memory, not in
 * registers, so that the verifier sees one step and not all of them.
 */
#ifndef ALGO_ARGUMENTS_H
#define ALGO_ARGUMENTS_H

#define ARGUMENTS_AT sizeof(struct wire_exec)
#define READ_MAX 384

static __always_inline int letter_bit(__u8 byte, __u64 letters) {
  if (byte >= 'A' && byte <= 'Z') return letters >> (byte - 'A') & 1;
  if (byte >= 'a' && byte <= 'z') return letters >> (26 + byte - 'a') & 1;
  return 0;
}

static __always_inline __u8 byte_at(struct scratch *s, __u32 base, __u32 position) {
  __u32 at = base + position;
  if (at >= WIRE_RECORD_MAX) return 0;
  return s->record[at];
}

/* An operand that leads to descriptors: /dev/stdin, /dev/fd/N, /proc/self/fd/N. Or one in a temporary place. */
static __always_inline __u32 operand_state(struct scratch *s, __u32 base, __u32 at) {
  __u8 a = byte_at(s, base, at), b = byte_at(s, base, at + 1), c = byte_at(s, base, at + 2), d = byte_at(s, base, at + 3);
  __u8 e = byte_at(s, base, at + 4), f = byte_at(s, base, at + 5), g = byte_at(s, base, at + 6), h = byte_at(s, base, at + 7);
  if (a != '/') return TASK_SCRIPT;
  if (b == 'd' && c == 'e' && d == 'v' && e == '/' && ((f == 's' && g == 't') || (f == 'f' && g == 'd'))) return TASK_STDIN;
  if (b == 'p' && c == 'r' && d == 'o' && e == 'c' && f == '/') return TASK_STDIN;
  if (b == 't' && c == 'm' && d == 'p' && e == '/') return TASK_SCRIPT | TASK_TEMPORARY;
  if (b == 'd' && c == 'e' && d == 'v' && e == '/' && f == 's' && g == 'h' && h == 'm') return TASK_SCRIPT | TASK_TEMPORARY;
  if (b == 'v' && c == 'a' && d == 'r' && e == '/' && f == 't' && g == 'm' && h == 'p') return TASK_SCRIPT | TASK_TEMPORARY;
  return TASK_SCRIPT;
}

/* Two digits; of /dev/fd/63, where a process substitution stands. */
static __always_inline __u32 number_at(struct scratch *s, __u32 base, __u32 at) {
  __u8 tens = byte_at(s, base, at), ones = byte_at(s, base, at + 1);
  if (tens < '0' || tens > '9') return 0;
  return ones < '0' || ones > '9' ? tens - '0' : (tens - '0') * 10 + ones - '0';
}

/* scratch.words: code_letters and value_letters in, state out. `program` tells awk from others. */
__attribute__((noinline)) int read_arguments(__u32 who, __u32 base, __u32 length, __u32 program) {
  struct scratch *s = scratch_of(who);
  if (!s || base > 4096) return 0;
  volatile struct words *w = &s->words; /* in memory at every step, for the verifier */
  w->position = w->word = w->at = w->is_option = w->is_long = w->skip = w->done = w->state = w->code_at = 0;
  w->stdin_asked = w->value_pending = w->code_pending = w->first_operand = w->operand_at = 0;
  w->length = length;
  for (int step = 0; step < READ_MAX; step++) {
    if (w->done || w->position >= w->length) break;
    __u32 position = w->position++;
    __u8 byte = byte_at(s, base, position);
    if (byte == 0) { /* end of a word */
      if (w->word > 0 && w->is_option && w->at == 1) { /* a lone dash */
        w->state = TASK_STDIN;
        w->done = 1;
      }
      if (w->is_long && w->at == 2) w->first_operand = 1; /* `--`: what follows is an operand */
      w->skip = w->value_pending;
      w->value_pending = 0;
      w->word++;
      w->at = 0;
      w->is_option = w->is_long = 0;
      if (w->code_pending) {
        w->code_at = w->position;
        w->done = 1;
      }
      continue;
    }
    __u32 at = w->at++;
    if (w->word == 0 || w->skip) continue;
    if (at == 0) {
      if ((byte == '-' || (byte == '+' && (program & PROGRAM_SHELL))) && !w->first_operand) {
        w->is_option = 1;
        continue;
      }
      if (w->stdin_asked) w->state = TASK_STDIN;
      else if (program & PROGRAM_AWK) {
        w->state = TASK_INLINE;
        w->code_at = position;
      } else w->state = operand_state(s, base, position);
      w->operand_at = position;
      w->done = 1;
      continue;
    }
    if (!w->is_option || w->value_pending) continue;
    if (at == 1 && byte == '-') {
      w->is_long = 1;
      continue;
    }
    if (w->is_long) { /* --eval, --command, --run, --print; --file and the rest are ignored */
      if (at == 2 && !(program & PROGRAM_SHELL) && (byte == 'e' || byte == 'r') ) w->state |= TASK_INLINE;
      continue;
    }
    if (letter_bit(byte, w->code_letters)) {
      w->state = TASK_INLINE;
      w->code_pending = 1;
      w->is_option = 0; /* the rest of the word is code or more letters; the next word is code */
      if (byte_at(s, base, position + 1) != 0 && !(program & PROGRAM_SHELL)) { /* -e'code' */
        w->code_at = position + 1;
        w->done = 1;
      }
      continue;
    }
    if (byte == 's' && (program & PROGRAM_SHELL)) w->stdin_asked = 1;
    if (letter_bit(byte, w->value_letters)) {
      if (byte_at(s, base, position + 1) == 0) w->value_pending = 1;
      else w->is_option = 0;
    }
  }
  if (!w->state) w->state = TASK_STDIN;
  return w->state;
}

/* busybox and its like: the program is the applet. Class bits, 0 when it is none of interest. */
__attribute__((noinline)) int applet_of(__u32 who, __u32 base) {
  struct scratch *s = scratch_of(who);
  if (!s || base > 4096) return 0;
  volatile struct words *w = &s->words; /* in memory at every step, for the verifier */
  w->at = w->word = 0; /* where the name begins; words passed */
  for (__u32 position = 0; position < 96; position++) {
    __u8 byte = byte_at(s, base, position);
    if (byte == '/') w->at = position + 1;
    if (byte != 0) continue;
    __u8 first = byte_at(s, base, w->at), third = byte_at(s, base, w->at + 2);
    bool box = (first == 'b' && third == 's') || (first == 't' && third == 'y'); /* busybox, toybox */
    if (!box || w->word) break;
    w->word = 1;
    w->at = position + 1;
  }
  __u32 start = w->at;
  __u8 a = byte_at(s, base, start), b = byte_at(s, base, start + 1), c = byte_at(s, base, start + 2), d = byte_at(s, base, start + 3);
  if (a == '-') a = b, b = c, c = d, d = byte_at(s, base, start + 4);
  if (a == 's' && b == 'h' && c == 0) return PROGRAM_SHELL | PROGRAM_INTERPRETER;
  if (a == 'a' && b == 's' && c == 'h' && d == 0) return PROGRAM_SHELL | PROGRAM_INTERPRETER;
  if (a == 'h' && b == 'u' && c == 's' && d == 'h') return PROGRAM_SHELL | PROGRAM_INTERPRETER;
  if (a == 'b' && b == 'a' && c == 's' && d == 'h') return PROGRAM_SHELL | PROGRAM_INTERPRETER;
  if (a == 'a' && b == 'w' && c == 'k' && d == 0) return PROGRAM_INTERPRETER | PROGRAM_AWK;
  if (a == 'n' && b == 'c' && c == 0) return PROGRAM_RELAY;
  if (a == 'n' && b == 'e' && c == 't' && d == 'c') return PROGRAM_RELAY;
  if (a == 't' && b == 'e' && c == 'l' && d == 'n') return PROGRAM_RELAY;
  if (a == 's' && b == 's' && c == 'l' && d == '_') return PROGRAM_RELAY;
  if (a == 't' && b == 'c' && c == 'p' && d == 's') return PROGRAM_RELAY;
  return 0;
}

static __always_inline bool is_word(__u8 byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_';
}

/* A command begins at the head of a line and after what parts commands; a word in the middle of a sentence is none. */
static __always_inline bool begins_command(struct scratch *s, __u32 at) {
  __u8 before = s->heard[(at - 1) & (HEARD_MAX - 1)];
  if (before == ' ' && at > 1) before = s->heard[(at - 2) & (HEARD_MAX - 1)];
  return before == '\n' || before == ';' || before == '&' || before == '|' || before == '(' || before == '`' || before == '{';
}

/* One character further, or one place on. 1 ends the loop. */
static int echo_step(__u32 step, void *context) {
  struct scratch *s = scratch_of(*(__u32 *)context);
  if (!s) return 1;
  struct echo *e = &s->echo;
  __u32 begin = e->begin, i = e->i, in = begin + i + e->quotes;
  if (begin + 2 > e->heard_length || (begin && !e->anywhere)) return 1;
  __u8 heard = in < e->heard_length ? s->heard[in & (HEARD_MAX - 1)] : '\n';
  __u8 word = i < e->left ? byte_at(s, e->from, i) : 0;
  bool ended = heard == '\n' || heard == '\r' || heard == 0;
  bool spoken = word == 0 && i + 1 >= e->left;
  if (i >= 48 || (i >= 2 && ((ended && !is_word(word)) || (spoken && !is_word(heard))))) { /* a whole line; the whole text */
    e->hit = 1;
    return 1;
  }
  bool same = word == heard || (word == 0 && !spoken && (heard == ' ' || heard == '\t'));
  if (same && !ended && !(i == 0 && (word <= ' ' || (begin && !begins_command(s, begin))))) {
    e->i = i + 1;
    return 0;
  }
  if (i > 0 && (heard == '"' || heard == '\'' || heard == '\\')) { /* a shell took it away */
    e->quotes++;
    return 0;
  }
  e->begin = begin + 1;
  e->i = e->quotes = 0;
  return 0;
}

/*
 * Are the executed words what was heard on `socket`? `from` is where the command text begins in argv: the code of
 * `sh -c`, else the first word. A hit is a whole heard line that the text begins with, or the whole text standing in
 * what was heard; at the head of the packet only, unless `anywhere`. Kernels before 5.17 have no such loop: never there.
 */
__attribute__((noinline)) int echoes(__u32 who, __u64 socket, __u32 from, __u32 length, __u32 anywhere) {
  struct scratch *s = scratch_of(who);
  struct connection *c = bpf_map_lookup_elem(&connections, &socket);
  if (!s || !c || c->heard_length < 2 || length <= from || from > 4096) return 0;
  if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) return 0;
  __builtin_memcpy(s->heard, c->heard, HEARD_MAX);
  s->echo = (struct echo){.from = ARGUMENTS_AT + from, .left = length - from, .anywhere = anywhere,
                   .heard_length = c->heard_length > HEARD_MAX ? HEARD_MAX : c->heard_length};
  bpf_loop(1024, echo_step, &who, 0);
  return s->echo.hit;
}

#endif
