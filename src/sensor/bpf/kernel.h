/*
 * The few fields of kernel structures that the programs read. CO-RE: offsets come from the running kernel's BTF when the
 * programs are loaded, so only names must be right. What changed its name since 5.8 stands here twice (`___suffix`).
 */
#ifndef ALGO_KERNEL_H
#define ALGO_KERNEL_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

enum bpf_map_type {
  BPF_MAP_TYPE_HASH = 1,
  BPF_MAP_TYPE_ARRAY = 2,
  BPF_MAP_TYPE_PERCPU_ARRAY = 6,
  BPF_MAP_TYPE_LRU_HASH = 9,
  BPF_MAP_TYPE_LPM_TRIE = 11,
  BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_EXIST = 2 };
enum { BPF_F_NO_PREALLOC = 1 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };
enum { BPF_RB_AVAIL_DATA = 0 };

enum bpf_func_id { BPF_FUNC_find_vma = 180, BPF_FUNC_loop = 181 };

struct bpf_raw_tracepoint_args { __u64 args[0]; };

struct bpf_sock {
  __u32 bound_dev_if, family, type, protocol, mark, priority;
  __u32 src_ip4;
  __u32 src_ip6[4];
  __u32 src_port;
  __be16 dst_port;
  __u32 dst_ip4;
  __u32 dst_ip6[4];
  __u32 state;
  __s32 rx_queue_mapping;
};

struct __sk_buff {
  __u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
  __u32 ingress_ifindex, ifindex, tc_index;
  __u32 cb[5];
  __u32 hash, tc_classid, data, data_end, napi_id;
  __u32 family, remote_ip4, local_ip4;
  __u32 remote_ip6[4];
  __u32 local_ip6[4];
  __u32 remote_port, local_port;
  __u32 data_meta;
  union { void *flow_keys; __u64 : 64; } __attribute__((aligned(8)));
  __u64 tstamp;
  __u32 wire_len, gso_segs;
  union { struct bpf_sock *sk; __u64 : 64; } __attribute__((aligned(8)));
  __u32 gso_size;
};

struct bpf_sock_addr {
  __u32 user_family;
  __u32 user_ip4;
  __u32 user_ip6[4];
  __u32 user_port;
  __u32 family, type, protocol;
  __u32 msg_src_ip4;
  __u32 msg_src_ip6[4];
  union { struct bpf_sock *sk; __u64 : 64; } __attribute__((aligned(8)));
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common { unsigned int inum; };
struct user_namespace { struct ns_common ns; };
struct mnt_namespace { struct ns_common ns; };
struct net { struct ns_common ns; };
struct pid_namespace { struct ns_common ns; };
struct nsproxy { struct mnt_namespace *mnt_ns; struct net *net_ns; };
struct upid { int nr; struct pid_namespace *ns; };
struct pid { unsigned int level; struct upid numbers[1]; };

typedef struct { __u32 val; } kuid_t;
typedef struct { __u32 val; } kgid_t;
typedef struct { __u64 val; } kernel_cap_t;           /* 6.3 and later */
struct kernel_cap_struct { __u32 cap[2]; };           /* before */
struct cred { kuid_t uid; kuid_t euid; kgid_t egid; kernel_cap_t cap_effective; struct user_namespace *user_ns; };

struct super_block { __u32 s_dev; unsigned long s_magic; };
struct inode {
  __u16 i_mode;
  kuid_t i_uid;
  struct super_block *i_sb;
  unsigned long i_ino;
  unsigned int i_nlink;
  __u32 i_rdev;
};
struct qstr { unsigned int len; const unsigned char *name; };
struct dentry { struct dentry *d_parent; struct qstr d_name; struct inode *d_inode; };
struct path { struct dentry *dentry; };
struct file { struct inode *f_inode; unsigned int f_mode; void *private_data; struct path f_path; };
struct fdtable { unsigned int max_fds; struct file **fd; };
struct files_struct { struct fdtable *fdt; };
struct fs_struct { struct path pwd; };

struct tty_driver { int major; int minor_start; };
struct tty_struct { struct tty_struct *link; int index; struct tty_driver *driver; };
struct tty_file_private { struct tty_struct *tty; };

typedef struct { int counter; } atomic_t;
struct mm_struct { struct file *exe_file; unsigned long arg_start, arg_end, env_start, env_end; };
struct signal_struct { atomic_t live; struct pid *pids[4]; struct tty_struct *tty; __u64 utime, stime; int group_exit_code; };
struct pt_regs { unsigned long di, si, dx; };
struct vm_area_struct { unsigned long vm_flags; void *anon_vma; };
struct list_head { struct list_head *next, *prev; };
struct task_struct {
  int pid;
  int tgid;
  unsigned int flags;
  int exit_code;
  __u64 utime, stime;
  __u64 start_boottime;
  struct task_struct *real_parent;
  struct task_struct *group_leader;
  struct list_head children, sibling;
  struct mm_struct *mm;
  const struct cred *cred;
  kuid_t loginuid;
  unsigned int sessionid;
  struct pid *thread_pid;
  struct signal_struct *signal;
  struct files_struct *files;
  struct fs_struct *fs;
  struct nsproxy *nsproxy;
  char comm[16];
};
struct linux_binprm { const char *filename; char buf[256]; };

struct in6_addr { union { __u8 u6_addr8[16]; } in6_u; };
typedef struct { __s64 counter; } atomic64_t;
typedef struct { struct net *net; } possible_net_t;
struct sock_common {
  union { struct { __be32 skc_daddr; __be32 skc_rcv_saddr; }; };
  union { struct { __be16 skc_dport; __u16 skc_num; }; };
  unsigned short skc_family;
  volatile unsigned char skc_state;
  possible_net_t skc_net;
  struct in6_addr skc_v6_daddr;
  struct in6_addr skc_v6_rcv_saddr;
  atomic64_t skc_cookie;
};
struct socket;
struct sock { struct sock_common __sk_common; __u16 sk_type; __u16 sk_protocol; struct socket *sk_socket; };
struct socket { __s16 type; struct file *file; struct sock *sk; };
struct tcp_sock { __u32 copied_seq; __u32 rcv_nxt; __u64 bytes_received; __u64 bytes_sent; };
struct unix_sock { struct sock *peer; };
struct net_device { possible_net_t nd_net; };
struct sk_buff { struct net_device *dev; __u16 transport_header; __u16 network_header; unsigned char *head; };
struct kernel_siginfo { int si_code; };
struct module { char name[56]; };

#pragma clang attribute pop

/* Numbers of the kernel's own headers that are no types. */
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFREG 0100000
#define S_IFDIR 0040000
#define S_IFCHR 0020000
#define S_IFIFO 0010000
#define FMODE_READ 1
#define FMODE_WRITE 2
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_CLOSE 7
#define TCP_CLOSE_WAIT 8
#define TCP_LISTEN 10
#define PF_KTHREAD 0x00200000
#define PIPEFS_MAGIC 0x50495045
#define TMPFS_MAGIC 0x01021994
#define SIGKILL 9

#endif
