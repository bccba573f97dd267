/*
 * The words between the BPF programs, the sensor and the daemon (wire.ts): records up, policy down.
 * Little-endian, naturally aligned, no implicit padding; every record begins with `wire_header` and is `size` bytes
 * long, whatever stands at its end. wire.test.ts compiles this file and compares every offset with wire.ts.
 * A changed layout is a new WIRE_VERSION: daemon and sensor are one build, pinned programs of another build are not adopted.
 */
#ifndef ALGO_WIRE_H
#define ALGO_WIRE_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define WIRE_VERSION 2
#define WIRE_RECORD_MAX 8192
#define WIRE_DNS_MAX 512
#define WIRE_TEXT_MAX 4096 /* argv of one exec; what is longer is cut and marked */
#define WIRE_VARIABLE_MAX 256 /* one variable of the environment, with its zero */

/* ---------------------------------------------------------------- records, sensor to daemon */

enum wire_type {
  WIRE_HELLO = 1,    /* once after start: what is attached and what is not */
  WIRE_BEAT = 2,     /* every second: counters */
  WIRE_LOSS = 3,     /* at once when a counter of losses rose */
  WIRE_EXEC = 4,
  WIRE_FORK = 5,     /* a new process, not a thread */
  WIRE_EXIT = 6,     /* the last thread ended */
  WIRE_CONNECT = 7,  /* TCP: SYN_SENT; UDP: connect or first datagram to a new peer */
  WIRE_LISTEN = 8,
  WIRE_ACCEPT = 9,   /* first sight of an accepted connection in its process */
  WIRE_CLOSE = 10,   /* TCP connection that this host opened or accepted is gone; bytes both ways */
  WIRE_DNS = 11,
  WIRE_REFUSED = 12, /* ports of ours refused to one source, folded each second */
  WIRE_SIGNAL = 13,  /* a signal to the daemon or the sensor */
  WIRE_FILE = 14,    /* fanotify: opened or written what is watched */
  WIRE_MODULE = 15,
  WIRE_URING = 16,
  WIRE_CHANGE = 17,  /* credentials or namespaces differ from what the process had */
  WIRE_VERDICT = 18, /* the kernel stopped something (or would have) */
  WIRE_ASK = 19,     /* something is held, or only noticed, until the daemon has looked */
  WIRE_EXPIRED = 20, /* a hold ran out before the daemon answered; it was let go */
  WIRE_CANARY = 21,  /* the sensor made its own exec, connect and file event; nonce as ordered */
  WIRE_ENVIRONMENT = 22, /* of the EXEC that follows; the sensor puts it there */
  WIRE_TYPES
};

/* 16 bytes */
struct wire_header {
  __u16 size;
  __u8 type;
  __u8 lane;   /* enum wire_lane */
  __u32 cpu;
  __u64 at_ns; /* CLOCK_BOOTTIME */
};

/* Each lane is a ring of its own and cannot be crowded out by another. */
enum wire_lane { LANE_URGENT = 0, LANE_VITAL = 1, LANE_OTHER = 2, LANE_SENSOR = 3, LANES };

/* Who. 104 bytes. Numbers of processes are those of the daemon's PID namespace. */
struct wire_task {
  __u32 pid;
  __u32 parent_pid;      /* 0: outside of our namespace */
  __u64 start_ns;        /* boot time; ticks of /proc/pid/stat are this / 10,000,000 */
  __u64 parent_start_ns;
  __u32 uid;             /* effective */
  __u32 gid;
  __u32 real_uid;
  __u32 login_uid;       /* 4294967295: none */
  __u32 audit_session;
  __u32 session;         /* session leader */
  __u32 tty;             /* device number as in /proc/pid/stat, 0 none */
  __u32 mount_namespace;
  __u32 net_namespace;
  __u32 user_namespace;
  __u32 pid_namespace;   /* innermost */
  __u32 exe_device;      /* kernel encoding: major << 20 | minor */
  __u64 exe_inode;
  __u64 cgroup;          /* cgroup v2 id: the inode of its directory */
  __u64 capabilities;    /* effective */
  __u32 program;         /* enum program_class bits of the file it runs */
  __u32 state;           /* enum task_state bits */
};

/* Which program a file is: said by the daemon, by device and inode. Zero: nobody has said yet. */
enum program_class {
  PROGRAM_KNOWN = 1 << 0,     /* the daemon has looked at it */
  PROGRAM_SHELL = 1 << 1,
  PROGRAM_INTERPRETER = 1 << 2, /* shells too */
  PROGRAM_RELAY = 1 << 3,     /* nc, socat, telnet, openssl, ... */
  PROGRAM_APPLETS = 1 << 4,   /* busybox: what it is stands in argv[0] or argv[1] */
  PROGRAM_VERIFIED = 1 << 5,  /* root's file in a system directory */
  PROGRAM_EXEMPT = 1 << 6,    /* an absolute path in TRUSTED_SYSTEM_PROCESSES */
  PROGRAM_SPARED = 1 << 7,    /* NEVER_TOUCH.executables */
  PROGRAM_LOADER = 1 << 8,    /* ld.so called by name: runs its argument */
  PROGRAM_FETCHER = 1 << 9,   /* curl, wget: client speaks first */
  PROGRAM_LOGIN = 1 << 10,    /* sshd and its like: hands shells to who logged in */
  PROGRAM_AWK = 1 << 11,      /* the first operand is code unless -f */
  PROGRAM_CONDEMNED = 1 << 12 /* die at exec: named by a policy */
};

/* What a process is and has done; kept by the kernel from fork to exit. */
enum task_state {
  TASK_INLINE = 1 << 0,       /* runs code from its arguments */
  TASK_STDIN = 1 << 1,        /* an interpreter that reads its commands from standard input */
  TASK_SCRIPT = 1 << 2,       /* an interpreter with a script file */
  TASK_CONNECTED = 1 << 3,    /* opened a TCP connection or connected UDP, itself or before its exec */
  TASK_LISTENED = 1 << 4,
  TASK_ACCEPTED = 1 << 5,
  TASK_RECEIVED = 1 << 6,
  TASK_REMOTE_FIRST = 1 << 7, /* on its connection the other side spoke first */
  TASK_CONDEMNED = 1 << 8,    /* whatever it executes next dies */
  TASK_MEMFD = 1 << 9,
  TASK_DELETED = 1 << 10,
  TASK_TEMPORARY = 1 << 11,   /* runs a file of /tmp, /var/tmp, /dev/shm */
  TASK_LINEAGE = 1 << 12,     /* it or a parent up to four levels up has a live remote connection of suspicious make */
  TASK_SETUID = 1 << 13,      /* the file it executed is setuid or setgid */
  TASK_ORPHAN_EXEC = 1 << 14  /* was there before the sensor */
};

/* A descriptor by what it leads to. 16 bytes. */
struct wire_fd {
  __u8 kind;  /* enum fd_kind */
  __u8 flags; /* enum fd_flags */
  __u16 reserved;
  __u32 device; /* of a file or a terminal, kernel encoding */
  __u64 inode;  /* of pipe, socket, file; of a terminal its number */
};
enum fd_kind { FD_NONE = 0, FD_FILE = 1, FD_PIPE = 2, FD_FIFO = 3, FD_INET = 4, FD_UNIX = 5, FD_PTS = 6, FD_PTMX = 7, FD_NULL = 8, FD_DIRECTORY = 9, FD_OTHER = 10 };
enum fd_flags { FD_OUTGOING = 1, FD_ACCEPTED = 2, FD_LISTENING = 4, FD_WRITABLE = 8, FD_READABLE = 16 };

/* A connection. 104 bytes. */
struct wire_conn {
  __u64 cookie;   /* as in sock_diag; 0: none given yet */
  __u64 inode;    /* as in /proc/pid/fd; 0: none */
  __u32 net_namespace;
  __u8 family;    /* 4, 6, or 0: no connection here */
  __u8 protocol;  /* 6 TCP, 17 UDP */
  __u8 direction; /* 0 unknown, 1 opened here, 2 accepted here, 3 listens */
  __u8 state;     /* of TCP */
  __u16 local_port;
  __u16 remote_port;
  __u32 reserved;
  __u8 local_address[16]; /* IPv4 in the first four bytes */
  __u8 remote_address[16];
  __u64 bytes_received;
  __u64 bytes_sent;
  __u64 opened_ns;
  __u64 first_received_ns; /* 0: nothing yet */
  __u64 first_sent_ns;     /* 0: nothing yet, or nobody watched */
};

/* Bytes follow in the order of their lengths; argv and environment are zero-terminated words. */
struct wire_exec {
  struct wire_header header;
  struct wire_task task;
  struct wire_fd fds[3];
  struct wire_conn conn; /* of descriptor 0, else 1, else 2 */
  __u32 flags;           /* enum exec_flags */
  __u16 arguments_length;
  __u16 path_length;     /* as handed to exec, may be relative */
  __u16 directory_length; /* names, leaf first, each with a zero: `bin\0usr\0` is /usr/bin */
  __u16 environment_length; /* only what loads code: LD_PRELOAD=..., LD_AUDIT, BASH_ENV, PERL5OPT, ... */
  __u32 argument_count;
};
enum exec_flags { EXEC_ARGUMENTS_CUT = 1, EXEC_DIRECTORY_CUT = 2, EXEC_ENVIRONMENT_CUT = 4, EXEC_CANARY = 8,
  EXEC_INCOMPLETE = 16 /* read from /proc after the fact: no connection, no class, maybe the next program already */ };

/* Zero-terminated words follow: what may be a variable that loads code, and nothing else. */
struct wire_environment {
  struct wire_header header;
  __u32 pid;
  __u32 flags; /* EXEC_ENVIRONMENT_CUT */
  __u64 start_ns;
};

struct wire_fork {
  struct wire_header header;
  __u32 pid;
  __u32 parent_pid;
  __u64 start_ns;
  __u64 parent_start_ns;
};

struct wire_exit {
  struct wire_header header;
  __u32 pid;
  __u32 status; /* as wait(2) gives it */
  __u64 start_ns;
  __u64 user_ns;
  __u64 system_ns;
};

/* CONNECT, LISTEN, ACCEPT, CLOSE */
struct wire_socket {
  struct wire_header header;
  struct wire_task task; /* CLOSE: pid and start_ns only, of who opened it */
  struct wire_conn conn;
  char name[16];         /* comm */
};

/* A message from or to port 53 over UDP, as it stands on the wire. */
struct wire_dns {
  struct wire_header header;
  __u32 pid; /* who opened the socket */
  __u16 reserved;
  __u16 message_length; /* what follows, cut at WIRE_DNS_MAX */
  __u64 start_ns;
};

struct wire_refused {
  struct wire_header header;
  __u8 family;
  __u8 reserved[3];
  __u32 ports;       /* refused since the last record about this source */
  __u16 first_port;
  __u16 last_port;
  __u32 reserved2;
  __u8 source[16];
};

struct wire_signal {
  struct wire_header header;
  struct wire_task task; /* the sender */
  __u32 target_pid;
  __u32 signal;
  __s32 code; /* si_code */
  __u32 reserved;
  char name[16];
};

struct wire_file {
  struct wire_header header;
  __u32 pid;       /* of the moment; joined with exec records for the rest */
  __u32 mask;      /* FAN_* */
  __u64 start_ns;  /* 0: gone before it could be read; whole ticks */
  __u32 watch;     /* enum file_watch */
  __u16 path_length; /* as it stands in POLICY_WATCH; of memory as /proc shows it */
  __u16 reserved;
};
enum file_watch { WATCH_CREDENTIALS = 1, WATCH_DECOY = 2, WATCH_PROCESS_MEMORY = 3, WATCH_CANARY = 4 };

struct wire_module {
  struct wire_header header;
  struct wire_task task;
  char name[64];
};

struct wire_uring {
  struct wire_header header;
  struct wire_task task;
  char name[16];
};

struct wire_change {
  struct wire_header header;
  struct wire_task task; /* as it is now */
  __u32 before_uid;
  __u32 what; /* enum change_what bits */
  __u64 before_capabilities;
};
enum change_what { CHANGE_UID = 1, CHANGE_CAPABILITIES = 2, CHANGE_MOUNT_NS = 4, CHANGE_NET_NS = 8, CHANGE_USER_NS = 16, CHANGE_PID_NS = 32 };

enum rule_number { RULE_NONE = 0, RULE_REVERSE_SHELL = 1, RULE_BIND_SHELL = 2, RULE_MINER = 3, RULE_BLOCK = 4, RULES_MAX = 8 };

/* How the shape was seen. */
enum shape {
  SHAPE_NONE = 0,
  SHAPE_DIRECT = 1,        /* an interpreter's own 0 and 1 or 2 are the connection */
  SHAPE_FOREIGN = 2,       /* the same for a program nobody installed */
  SHAPE_RELAY_TOOL = 3,    /* a shell told to read commands on a pipe, pair or terminal of a relay tool with a connection */
  SHAPE_LOOP = 4,          /* a shell's output feeds a connector whose output feeds the shell */
  SHAPE_COMMAND = 5,       /* inline code with a connection on which the other side spoke first starts a program */
  SHAPE_ECHO = 6,          /* what is executed are bytes that were received */
  SHAPE_RECEIVES = 7,      /* an interpreter receives on the connection that is its 0 and 1 */
  SHAPE_CONDEMNED = 8,     /* the process was condemned before */
  SHAPE_NAMED = 9,         /* the file is condemned by policy */
  SHAPE_POOL = 10,         /* connection to a known mining pool */
  SHAPE_STRATUM = 11,      /* a stratum login line was sent */
  SHAPE_BLOCKED = 12,      /* address blocked by the operator or by policy */
  SHAPE_PENDING = 13,      /* not certain: connection of suspicious make, the daemon looks */
  SHAPE_SHELL_CONNECTS = 14, /* not certain: a shell opened the connection itself */
  SHAPE_CHILD = 15,        /* not certain: something suspicious with a connection starts an interpreter */
  SHAPE_UNKNOWN_PROGRAM = 16, /* not a shape: the daemon is asked what this file is */
  SHAPE_TOLD = 17            /* who opened the connection said nothing, and is told a command that needs no program */
};

enum stage { STAGE_EXEC = 1, STAGE_CONNECT = 2, STAGE_RECEIVE = 3, STAGE_SEND = 4, STAGE_HELD = 5 };
enum verdict_action { ACTION_KILLED = 1, ACTION_REHEARSED = 2, ACTION_REFUSED = 3, ACTION_DROPPED = 4 };

/* Arguments of the process follow. */
struct wire_verdict {
  struct wire_header header;
  struct wire_task task;   /* who was stopped */
  struct wire_conn conn;
  struct wire_fd fds[3];
  __u32 holder_pid;        /* who has the other end, 0: itself */
  __u32 generation;        /* of the policy that caused it */
  __u64 holder_start_ns;
  __u64 id;                /* of the connection, opaque; the same in a question about it */
  __u8 rule;               /* enum rule_number */
  __u8 shape;
  __u8 stage;
  __u8 action;
  __u16 arguments_length;
  __u16 reserved;
};

/* held: 1 incoming bytes of `conn` are withheld, 2 the exec waits, 0 nothing waits. Arguments follow. */
struct wire_ask {
  struct wire_header header;
  struct wire_task task;
  struct wire_conn conn;
  struct wire_fd fds[3];
  __u32 holder_pid;
  __u32 generation;
  __u64 holder_start_ns;
  __u64 id;                /* opaque: of the connection, or of the held exec; answered by POLICY_ANSWER */
  __u8 shape;
  __u8 stage;
  __u8 held;
  __u8 reserved;
  __u16 arguments_length;
  __u16 reserved2;
};

struct wire_expired {
  struct wire_header header;
  __u64 id;
  __u32 waited_us;
  __u8 held;
  __u8 reserved[3];
};

/* Counters since the sensor began. */
struct wire_beat {
  struct wire_header header;
  __u32 generation;
  __u32 holds;            /* connections held right now */
  __u64 records[4];       /* by lane */
  __u64 lost[4];          /* by lane; the sensor's own is that of files */
  __u64 recursion_misses; /* of all programs */
  __u64 verdicts;
  __u64 asks;
  __u64 expired;
  __u64 dropped_packets;
  __u64 processes;        /* that the kernel's table holds */
  __u64 untracked;        /* that did not fit */
  __u32 files_watched;    /* paths of POLICY_WATCH that have a mark */
  __u32 files_refused;    /* that are there and get none */
};

struct wire_loss {
  struct wire_header header;
  __u64 from_ns;
  __u64 to_ns;
  __u64 lost[4];
  __u64 recursion_misses;
};

/* One line of text a hook follows: `name\tok` or `name\treason`. */
struct wire_hello {
  struct wire_header header;
  __u32 version;          /* WIRE_VERSION */
  __u32 pid;
  __u32 pid_namespace;
  __u32 adopted;          /* 1: programs of a predecessor were taken over */
  __u32 text_length;
  __u32 step;             /* enum sensor_step */
};
/* From what it knows; without either the scans guard alone. */
enum sensor_step { STEP_BPF = 0, STEP_CONNECTOR = 1 };

struct wire_canary {
  struct wire_header header;
  __u64 nonce;
  __u32 exec_pid; /* EXEC and EXIT of it, CONNECT and FILE by it must be on their way */
  __u16 port;
  __u16 reserved;
};

/* ---------------------------------------------------------------- policy, daemon to sensor */

enum policy_type {
  POLICY_SETTINGS = 129,
  POLICY_PROGRAMS = 130, /* list of policy_program */
  POLICY_EXEMPT = 131,   /* whole list of policy_exempt: replaces the one before */
  POLICY_SPARED = 132,   /* whole list of policy_spared: replaces the one before */
  POLICY_ANSWER = 133,
  POLICY_NETWORKS = 134, /* whole list of policy_network of one rule: replaces the one before */
  POLICY_CANARY = 135,   /* nonce: be seen at once */
  POLICY_WATCH = 136,    /* whole list of policy_watch: replaces the one before */
  POLICY_STOP = 137      /* orderly end; `guard` says whether the programs stay */
};

enum rule_mode { RULE_OFF = 0, RULE_WATCH = 1 /* say what would be done */, RULE_ENFORCE = 2 };

/* A frame begins with wire_header too (lane, cpu and at_ns are zero). */
struct policy_settings {
  struct wire_header header;
  __u32 generation;
  __u8 rules[8];      /* enum rule_mode by rule_number */
  __u8 hold;          /* 1: connections and execs may be held */
  __u8 guard_on;      /* 1: programs are pinned and outlive the sensor */
  __u8 deep_syscalls;
  __u8 reserved;
  __u32 hold_connection_ms;
  __u32 hold_exec_ms;
  __u32 daemon_pid;
  __u32 reserved2;
};

/* 48 bytes. */
struct policy_program {
  __u64 inode;
  __u32 device;       /* st_dev as major << 20 | minor */
  __u32 program;      /* enum program_class bits */
  __u64 code_letters; /* bit (letter - 'A') for A-Z, 26 + (letter - 'a') for a-z: short options that bring code */
  __u64 value_letters; /* short options that swallow the next word */
  /* Of the ELF header, to know a copy by; 0: none. */
  __u64 entry;
  __u64 sections;
};
struct policy_programs {
  struct wire_header header;
  __u32 count; /* policy_program follow */
  __u32 reserved;
};

/* What EXCEPTIONS may cover: zero or all-ones fields match anything. A shape that fits is asked about, never killed in the kernel. 48 bytes. */
struct policy_exempt {
  __u64 inode;
  __u32 device;
  __u32 uid;        /* 4294967295: any */
  __u32 rules;      /* bits 1 << rule_number */
  __u8 family;      /* 0: any peer */
  __u8 prefix_bits;
  __u16 port;       /* 0: any */
  __u8 address[16];
  __u32 reserved[2];
};
/* NEVER_TOUCH and whom we protect: asked about, never killed in the kernel. 16 bytes. */
struct policy_spared {
  __u32 kind; /* enum spared_kind */
  __u32 reserved;
  __u64 id;
};
enum spared_kind { SPARED_UID = 1, SPARED_CGROUP = 2, SPARED_PROCESS = 3 /* pid in our namespace */ };
struct policy_list {
  struct wire_header header;
  __u32 count;
  __u32 rule; /* POLICY_NETWORKS: RULE_MINER or RULE_BLOCK; else 0 */
};

struct policy_answer {
  struct wire_header header;
  __u64 id;
  __u8 held;   /* as in the question */
  __u8 answer; /* enum answer */
  __u16 reserved;
  __u32 more_ms; /* ANSWER_WAIT: hold so much longer, within the deadline */
};
enum answer { ANSWER_RELEASE = 0, ANSWER_STOP = 1 /* never release: the socket is destroyed or the exec denied */, ANSWER_WAIT = 2 };

/* 32 bytes. Connections to it are refused with EPERM. */
struct policy_network {
  __u8 family;
  __u8 prefix_bits;
  __u16 port; /* 0: any */
  __u32 reserved;
  __u64 until_ns; /* boot time, 0: no end */
  __u8 address[16];
};

/* A file that is opened or written, or with WATCH_PROCESS_MEMORY the mount of a /proc below ours. */
struct policy_watch {
  __u32 watch; /* enum file_watch */
  __u16 path_length;
  __u16 reserved;
}; /* path follows, padded to 8 */

struct policy_canary {
  struct wire_header header;
  __u64 nonce;
};
struct policy_stop {
  struct wire_header header;
  __u32 guard;
  __u32 reserved;
};

#endif
