/*
 * What the kernel keeps between events: a record for each process of ours, one for each connection, who stands at which
 * end of a pipe, and the policy. Every map has a bound; what does not fit is counted.
 */
#ifndef ALGO_STATE_H
#define ALGO_STATE_H

#define PROCESSES_MAX 65536
#define SOCKETS_MAX 65536
#define ENDS_MAX 32768
#define PROGRAMS_MAX 8192
#define HEARD_MAX 128
#define ASKED_PER_SECOND_MAX 8
#define REFUSALS_TOLD_MAX 8 /* a second, of one process */
#define NAMED_PER_SECOND_MAX 256
#define RECEIVES_LOOKED_AT 3
#define QUIET_NS 60000000ULL
#define NEVER 0xffffffffffffffffULL

/* Set by the daemon; one entry. */
struct settings {
  __u32 generation;
  __u32 namespace_inode; /* of the daemon's PID namespace */
  __s32 level;           /* of it in the tree of namespaces; -1: not known yet */
  __u32 sensor_pid;      /* in our namespace */
  __u32 daemon_pid;
  __u8 rules[RULES_MAX];
  __u8 hold;
  __u8 deep;
  __u8 exempts;          /* entries in `exempt` */
  __u8 reserved;
  __u64 hold_ns;
  __u64 namespace_device;
  __u64 asked_since_ns; /* see may_ask */
  __u64 asked;
  __u64 named_since_ns; /* see tell_names */
  __u64 named;
  __u64 deep_since_ns; /* see on_syscall */
  __u64 deep_told;
};

struct process {
  __u64 start_ns;
  __u64 exe_inode;
  __u32 exe_device;
  __u32 program;   /* class of the file */
  __u32 state;     /* enum task_state */
  __u32 pid;       /* in our namespace */
  __u32 parent;    /* tgid, as the kernel counts */
  __u32 uid;
  __u64 capabilities;
  __u64 connection; /* the socket of its lineage that is of suspicious make; 0 none */
  __u64 input;      /* what its descriptor 0 led to at exec, see struct look */
  __u64 output;
  __u32 mount_namespace, net_namespace, user_namespace, pid_namespace;
  __u8 suspect;     /* runs code nobody installed, or a tool made to relay */
  __u8 input_kind;
  __u8 output_kind;
  __u8 shell;       /* a command interpreter that reads standard input */
  __u8 asked;       /* how often the daemon was asked about its children */
  __u8 refused;     /* see tells_refusal */
  __u8 reserved[2];
  __u64 refused_since_ns;
};

struct connection {
  __u64 opened_ns;
  __u64 first_received_ns;
  __u64 first_sent_ns;
  __u64 hold_until_ns; /* 0: none; NEVER: for good */
  __u64 held_since_ns;
  __u64 quiet_until_ns; /* nothing comes in before that: see on_state */
  __u32 opener_pid;    /* in our namespace */
  __u32 opener_program; /* class of the file it ran */
  __u64 opener_start_ns;
  __u8 direction;      /* 1 opened here, 2 accepted */
  __u8 suspect;        /* its opener was */
  __u8 remote_first;   /* bytes came before any went */
  __u8 condemned;      /* neither way passes any byte */
  __u8 heard_length;   /* see hear */
  __u8 sent_packets;
  __u8 protocol;
  __u8 receives;       /* how often its process took something from it */
  __u8 answered;       /* since it was last heard */
  __u8 tls;            /* the first packet sent was a client's greeting of TLS */
  __u8 names;          /* datagrams to a name server */
  __u8 prompted;       /* the first packet sent was what a shell asks for orders with */
  __u8 taken;          /* its process took something since the second packet went */
  __u32 sent_bytes;    /* behind the first packet, of the first few */
  __u8 heard[HEARD_MAX];
};

struct end_key { __u64 id; __u64 output; }; /* output: 1 the writer's end, 0 the reader's */
struct end { __u32 tgid; __u32 reserved; };

struct program_key { __u64 inode; __u64 device; };
struct copy_key { __u64 entry; __u64 sections; };
struct program { __u64 code_letters; __u64 value_letters; __u32 program; __u32 reserved; };
struct spared_key { __u64 id; __u64 kind; };
/* The rule is part of it: what is a pool and blocked too stands here twice, and each list is replaced alone. */
struct network_key { __u32 prefix_bits; __u8 rule; __u8 address[16]; __u8 reserved[3]; };
#define RULE_BITS 8
struct network { __u64 until_ns; __u16 port; __u16 reserved[3]; };
/* What the daemon said of a held connection; older than the hold, it is about another one. */
struct answered { __u64 at_ns; __u64 until_ns; __u32 answer; __u32 reserved; };
struct port_key { __u32 net_namespace; __u32 port; };
struct refused_key { __u8 source[16]; __u32 family; __u32 reserved; };
struct refused { __u64 ports; __u16 first, last; __u32 reserved; };

/* What one descriptor leads to. `id` is the same for all ends of one channel: a pipe's inode, the lower of the two
 * sockets of a pair, the terminal's slave side. */
struct look {
  __u64 id;
  __u64 socket; /* of inet sockets */
  struct wire_fd fd;
};

/* Counters, one array of them per processor. */
enum counter {
  COUNT_RECORDS = 0,              /* + lane */
  COUNT_LOST = 4,                 /* + lane */
  COUNT_VERDICTS = 8,
  COUNT_ASKS = 9,
  COUNT_EXPIRED = 10,
  COUNT_DROPPED = 11,
  COUNT_UNTRACKED = 12,
  COUNT_PROCESSES_IN = 13,
  COUNT_PROCESSES_OUT = 14,
  COUNTERS = 16
};

#ifdef __bpf__

#define MAP(kind, maximum, key_type, value_type, map_name) \
  struct { __uint(type, kind); __uint(max_entries, maximum); __type(key, key_type); __type(value, value_type); } map_name SEC(".maps")

MAP(BPF_MAP_TYPE_ARRAY, 1, __u32, struct settings, settings);
MAP(BPF_MAP_TYPE_HASH, PROCESSES_MAX, __u32, struct process, processes);
MAP(BPF_MAP_TYPE_LRU_HASH, SOCKETS_MAX, __u64, struct connection, connections);
MAP(BPF_MAP_TYPE_LRU_HASH, ENDS_MAX, struct end_key, struct end, ends);
MAP(BPF_MAP_TYPE_HASH, PROGRAMS_MAX, struct program_key, struct program, programs);
MAP(BPF_MAP_TYPE_LRU_HASH, 1024, struct copy_key, struct program, copies);
MAP(BPF_MAP_TYPE_HASH, 1024, struct spared_key, __u32, spared);
MAP(BPF_MAP_TYPE_ARRAY, 64, __u32, struct policy_exempt, exempt);
MAP(BPF_MAP_TYPE_LRU_HASH, 4096, struct port_key, __u32, suspect_ports);
MAP(BPF_MAP_TYPE_LRU_HASH, 4096, struct refused_key, struct refused, refused);
MAP(BPF_MAP_TYPE_LRU_HASH, 4096, __u64, struct answered, answers);
MAP(BPF_MAP_TYPE_LRU_HASH, 1024, __u32, __u32, our_networks);
MAP(BPF_MAP_TYPE_PERCPU_ARRAY, COUNTERS, __u32, __u64, counters);
struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 16384);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct network_key);
  __type(value, struct network);
} networks SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 18); } urgent SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 22); } vital SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 19); } other SEC(".maps");

static __always_inline void count(__u32 which) {
  __u64 *counter = bpf_map_lookup_elem(&counters, &which);
  if (counter) __sync_fetch_and_add(counter, 1);
}

static __always_inline struct settings *the_settings(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&settings, &zero);
}

#endif
#endif
