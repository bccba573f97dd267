/*
 * The eyes and the hand in the kernel. Read in this order: state.h (what is kept), look.h (what is read), judge.h (what
 * follows), exec_shapes.h, processes.h and sockets.h (the shapes), packets.h (what is withheld).
 */
#ifndef __bpf__
#define __bpf__
#endif
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "../wire.h"
#include "state.h"
#include "look.h"
#include "arguments.h"
#include "graph.h"
#include "judge.h"
#include "changes.h"
#include "environment.h"
#include "exec_shapes.h"
#include "processes.h"
#include "sockets.h"
#include "packets.h"
#include "other.h"
#include "deep.h"

char _license[] SEC("license") = "Dual MIT/GPL";
