/*
 * What passes: incoming bytes are withheld while a connection is judged, both ways are shut once it is condemned. Bytes
 * of suspicious connections, and of those over which we said nothing yet, are remembered for two questions only: is what is
 * executed what was heard, and is it a command?
 */
#ifndef ALGO_PACKETS_H
#define ALGO_PACKETS_H

enum { PASS = 1, DROP = 0 };

/* Offset of the payload, 0 where there is none. `skb` begins with the IP header. */
static __always_inline __u32 payload_of(struct __sk_buff *skb, __u32 *length, __u8 *protocol, __u16 *remote_port, bool outgoing) {
  __u8 first = 0;
  if (bpf_skb_load_bytes(skb, 0, &first, 1)) return 0;
  __u32 at = 0, total = skb->len;
  if (first >> 4 == 4) {
    at = (first & 15) * 4;
    if (bpf_skb_load_bytes(skb, 9, protocol, 1)) return 0;
  } else if (first >> 4 == 6) {
    at = 40;
    if (bpf_skb_load_bytes(skb, 6, protocol, 1)) return 0;
  } else return 0;
  __u16 port = 0;
  if (bpf_skb_load_bytes(skb, at + (outgoing ? 2 : 0), &port, 2)) return 0;
  *remote_port = (__u16)(port << 8 | port >> 8);
  if (*protocol == 6) {
    __u8 offset = 0;
    if (bpf_skb_load_bytes(skb, at + 12, &offset, 1)) return 0;
    at += (offset >> 4) * 4;
  } else if (*protocol == 17) at += 8;
  else return 0;
  if (total <= at) return 0;
  *length = total - at;
  return at;
}

/* Held, condemned or free. Lets go what was held too long, and says so. */
static __always_inline int gate(struct connection *c, __u64 socket) {
  if (c->condemned) {
    count(COUNT_DROPPED);
    return DROP;
  }
  if (!c->hold_until_ns) return PASS;
  __u64 now = bpf_ktime_get_boot_ns();
  struct answered *answer = bpf_map_lookup_elem(&answers, &socket);
  if (answer && answer->at_ns >= c->held_since_ns) {
    if (answer->answer == ANSWER_RELEASE) {
      c->hold_until_ns = 0;
      return PASS;
    }
    if (answer->answer == ANSWER_STOP) {
      c->condemned = 1;
      count(COUNT_DROPPED);
      return DROP;
    }
    c->hold_until_ns = answer->until_ns;
  }
  if (now < c->hold_until_ns) {
    count(COUNT_DROPPED);
    return DROP;
  }
  c->hold_until_ns = 0;
  count(COUNT_EXPIRED);
  struct wire_expired *record = bpf_ringbuf_reserve(&urgent, sizeof *record, 0);
  if (!record) return PASS;
  __builtin_memset(record, 0, sizeof *record);
  record->id = socket;
  record->waited_us = (now - c->held_since_ns) / 1000;
  record->held = 1;
  head(&record->header, sizeof *record, WIRE_EXPIRED, LANE_URGENT);
  bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
  return PASS;
}

/* What was said since our last word: its beginning, and behind that the newest packet, so that neither noise after a
 * command nor noise before it makes it forgotten. */
static __always_inline void hear(struct __sk_buff *skb, struct connection *c, __u32 at, __u32 length) {
  __u32 have = c->answered ? 0 : c->heard_length;
  c->answered = 0;
  if (have >= HEARD_MAX / 2) {
    if (length > HEARD_MAX / 2) length = HEARD_MAX / 2;
    if (length < 1 || bpf_skb_load_bytes(skb, at, c->heard + HEARD_MAX / 2, length)) return;
    c->heard_length = HEARD_MAX / 2 + length;
    return;
  }
  if (have > 0) { /* drop by drop */
    if (length > 64) length = 64;
    if (length < 1 || bpf_skb_load_bytes(skb, at, c->heard + (have & 63), length)) return;
    c->heard_length = have + length;
    return;
  }
  if (length > HEARD_MAX) length = HEARD_MAX;
  if (length < 1 || bpf_skb_load_bytes(skb, at, c->heard, length)) return;
  c->heard_length = length;
}

/* A question to a name server, or its answer. So many a second: who resolves for others would fill the lane. */
static __always_inline void tell_names(struct __sk_buff *skb, struct connection *c, __u32 at, __u32 length) {
  struct settings *set = the_settings();
  if (!set || length < 17) return;
  __u64 now = bpf_ktime_get_boot_ns();
  if (now - set->named_since_ns > 1000000000ULL) {
    set->named_since_ns = now;
    set->named = 0;
  }
  if (set->named++ >= NAMED_PER_SECOND_MAX) return;
  struct { struct wire_dns dns; __u8 message[WIRE_DNS_MAX]; } *record = bpf_ringbuf_reserve(&other, sizeof *record, 0);
  if (!record) {
    count(COUNT_LOST + LANE_OTHER);
    return;
  }
  if (length > WIRE_DNS_MAX) length = WIRE_DNS_MAX;
  if (length < 1 || bpf_skb_load_bytes(skb, at, record->message, length)) {
    bpf_ringbuf_discard(record, 0);
    return;
  }
  __builtin_memset(&record->dns, 0, sizeof record->dns);
  record->dns.pid = c->opener_pid;
  record->dns.start_ns = c->opener_start_ns;
  record->dns.message_length = length;
  head(&record->dns.header, sizeof *record, WIRE_DNS, LANE_OTHER);
  count(COUNT_RECORDS + LANE_OTHER);
  bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *skb) {
  struct bpf_sock *sk = skb->sk;
  if (!sk) return PASS;
  __u64 socket = (__u64)sk;
  struct connection *c = bpf_map_lookup_elem(&connections, &socket);
  if (!c || !(c->suspect | c->condemned | c->names | is_unspoken(c))) return PASS;
  __u32 length = 0;
  __u8 protocol = 0;
  __u16 port = 0;
  __u32 at = payload_of(skb, &length, &protocol, &port, false);
  if (!at) return PASS;
  if (c->names) {
    if (port == 53) tell_names(skb, c, at, length);
    return PASS;
  }
  if (gate(c, socket) == DROP) return DROP;
  if (c->quiet_until_ns && bpf_ktime_get_boot_ns() < c->quiet_until_ns) {
    count(COUNT_DROPPED);
    return DROP;
  }
  if (!c->first_sent_ns && protocol == 17) c->remote_first = 1;
  hear(skb, c, at, length);
  return PASS;
}

/* JSON lines of a miner: mining.subscribe, mining.authorize, or a login that names its agent. */
__attribute__((noinline)) int is_stratum(__u32 length) {
  struct scratch *s = scratch_of(SCRATCH_EGRESS);
  if (!s || s->record[0] != '{') return 0;
  __u64 window = 0;
  int seen = 0;
  for (__u32 i = 0; i < 320; i++) {
    if (i >= length) break;
    window = window << 8 | s->record[i];
    if (window == 0x6d696e696e672e73ULL || window == 0x6d696e696e672e61ULL) return 1; /* mining.s, mining.a */
    if (window == 0x226c6f67696e222cULL || window == 0x226c6f67696e223aULL) seen |= 1; /* "login", "login": */
    if (window == 0x226167656e74223aULL) seen |= 2;                                  /* "agent": */
    if (seen == 3) return 1;
  }
  return 0;
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb) {
  struct bpf_sock *sk = skb->sk;
  if (!sk) return PASS;
  __u64 socket = (__u64)sk;
  struct connection *c = bpf_map_lookup_elem(&connections, &socket);
  if (!c) return PASS;
  bool early = c->sent_packets < 4;
  bool awaited = c->suspect && c->heard_length && !c->answered;
  if (!early && !awaited && !c->condemned && !c->hold_until_ns) return PASS;
  __u32 length = 0;
  __u8 protocol = 0;
  __u16 port = 0;
  __u32 at = payload_of(skb, &length, &protocol, &port, true);
  if (!at) return PASS;
  if (gate(c, socket) == DROP) return DROP;
  if (!c->first_sent_ns) c->first_sent_ns = bpf_ktime_get_boot_ns();
  if (!c->sent_packets) {
    __u8 start[2] = {};
    c->tls = length > 2 && !bpf_skb_load_bytes(skb, at, start, 2) && start[0] == 0x16 && start[1] == 3;
    /* `$ `, `host:~# `: no protocol ends a request with a space. */
    c->prompted = length <= PROMPT_BYTES_MAX && !bpf_skb_load_bytes(skb, at + length - 1, start, 1) && start[0] == ' ';
  } else c->sent_bytes += length;
  if (c->sent_packets < 255) c->sent_packets++;
  c->answered = 1;
  if (protocol == 17) {
    if (port == 53) tell_names(skb, c, at, length);
    return PASS;
  }
  struct scratch *s = scratch_of(SCRATCH_EGRESS);
  if (!s || !early || c->direction != 1 || length < 32) return PASS;
  __u32 take = length > 320 ? 320 : length;
  if (take < 1 || bpf_skb_load_bytes(skb, at, s->record, take) || !is_stratum(take)) return PASS;
  s->words.length = 0;
  s->looks[0] = s->looks[1] = s->looks[2] = (struct look){};
  s->socket = socket;
  return judge(SCRATCH_EGRESS, HOW(RULE_MINER, SHAPE_STRATUM, STAGE_SEND, 1), s->socket, 0, c->opener_pid) == JUDGED_STOP ? DROP : PASS;
}

static __always_inline bool is_refused(struct network_key *key, __u32 rule, __u16 port) {
  key->rule = rule;
  struct network *found = bpf_map_lookup_elem(&networks, key);
  if (!found || (found->port && found->port != port)) return false;
  return !found->until_ns || found->until_ns >= bpf_ktime_get_boot_ns();
}

static __always_inline int on_destination(struct bpf_sock_addr *ctx, __u8 family, const __u32 *address, bool connects) {
  struct settings *set = the_settings();
  struct scratch *s = scratch_of(SCRATCH_CONNECT);
  struct bpf_sock *sk = ctx->sk;
  if (!set || !s || !sk || set->level < 0) return PASS;
  __u64 socket = (__u64)sk;
  bool datagram = ctx->type == SOCK_DGRAM;
  struct task_struct *task = (struct task_struct *)bpf_get_current_task();
  __u32 pid = pid_of(task, set);
  if (!pid) return PASS;
  struct process *p = adopt(SCRATCH_CONNECT, task, pid, set);
  if (!p) return PASS;
  __u16 port = (__u16)(ctx->user_port << 8 | (ctx->user_port >> 8 & 0xff));
  struct network_key key = {.prefix_bits = RULE_BITS + 128};
  if (family == 4) {
    key.address[10] = key.address[11] = 0xff;
    __builtin_memcpy(key.address + 12, address, 4);
  } else __builtin_memcpy(key.address, address, 16);
  __u32 rule = is_refused(&key, RULE_BLOCK, port) ? RULE_BLOCK : is_refused(&key, RULE_MINER, port) ? RULE_MINER : 0;
  s->words.length = 0;
  if (rule) {
    s->looks[0] = s->looks[1] = s->looks[2] = (struct look){};
    __builtin_memcpy(s->refused_address, address, family == 4 ? 4 : 16);
    s->refused_family = family;
    s->refused_port = port;
    __u32 how = HOW(rule, rule == RULE_MINER ? SHAPE_POOL : SHAPE_BLOCKED, STAGE_CONNECT, 1) | (tells_refusal(p) ? 0 : QUIETLY);
    int judged = judge(SCRATCH_CONNECT, how, 0, 0, pid);
    s->refused_family = 0;
    return judged == JUDGED_STOP ? DROP : PASS;
  }
  if (!datagram) {
    if (connects) bpf_get_socket_cookie(ctx); /* gives the socket its name, as sock_diag has it */
    return PASS;
  }
  if (!connects && bpf_map_lookup_elem(&connections, &socket)) return PASS;
  bool suspect = p->suspect && port != 53;
  struct connection *fresh = fresh_connection(s, 1, 17, suspect, pid, p->start_ns);
  fresh->names = port == 53;
  bpf_map_update_elem(&connections, &socket, fresh, BPF_ANY);
  s->socket = socket;
  __u64 number = s->socket;
  int judged = JUDGED_NOTHING;
  if (suspect) {
    p->state |= TASK_CONNECTED | TASK_LINEAGE;
    p->connection = number;
    look_at_standard(SCRATCH_CONNECT, task);
    judged = judge_connector(SCRATCH_CONNECT, (__u64)task, number, pid, STAGE_CONNECT);
  }
  describe_socket(SCRATCH_CONNECT, number);
  s->conn.direction = 1;
  s->conn.remote_port = port;
  __builtin_memcpy(s->conn.remote_address, address, family == 4 ? 4 : 16);
  emit_socket(SCRATCH_CONNECT, WIRE_CONNECT, task, p, set);
  return judged == JUDGED_STOP ? DROP : PASS;
}

SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *ctx) {
  __u32 address = ctx->user_ip4;
  return on_destination(ctx, 4, &address, true);
}
SEC("cgroup/sendmsg4")
int on_send4(struct bpf_sock_addr *ctx) {
  __u32 address = ctx->user_ip4;
  return on_destination(ctx, 4, &address, false);
}
SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *ctx) {
  __u32 address[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};
  return on_destination(ctx, 6, address, true);
}
SEC("cgroup/sendmsg6")
int on_send6(struct bpf_sock_addr *ctx) {
  __u32 address[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};
  return on_destination(ctx, 6, address, false);
}
SEC("cgroup/sock_release")
int on_release(struct bpf_sock *sk) {
  __u64 socket = (__u64)sk;
  struct connection *c = bpf_map_lookup_elem(&connections, &socket);
  if (c && c->protocol == 17) bpf_map_delete_elem(&connections, &socket);
  return PASS;
}

#endif
