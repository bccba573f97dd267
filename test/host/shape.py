#!/usr/bin/env python3
# Runs in a test host: prints, as JSON, what the processes of the given units look like from outside: identity,
# command line, descriptors and sockets. Reads /proc and ss only.
import json
import os
import subprocess
import sys


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf8", "replace")
    except OSError:
        return ""


def descriptors(pid):
    found = []
    try:
        names = sorted(os.listdir(f"/proc/{pid}/fd"), key=int)
    except OSError:
        return found
    for name in names:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        info = dict(line.split(":\t", 1) for line in read(f"/proc/{pid}/fdinfo/{name}").splitlines() if ":\t" in line)
        mode = int(info.get("flags", "0"), 8) & 3
        found.append({"fd": int(name), "target": target, "mode": ["r", "w", "rw", "?"][mode], "tty": info.get("tty-index", "")})
    return found


def process(pid):
    stat = read(f"/proc/{pid}/stat")
    if not stat:
        return None
    after = stat[stat.rindex(")") + 2:].split()
    try:
        exe = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        exe = ""
    return {
        "pid": pid,
        "parent": int(after[1]),
        "start": int(after[19]),
        "state": after[0],
        "terminal": int(after[4]),
        "uid": int(read(f"/proc/{pid}/status").split("Uid:\t")[1].split()[0]) if os.path.exists(f"/proc/{pid}/status") else -1,
        "exe": exe,
        "argv": read(f"/proc/{pid}/cmdline").split("\0")[:-1],
        "descriptors": descriptors(pid),
    }


def pids_below(cgroup):
    pids = []
    for directory, _, files in os.walk("/sys/fs/cgroup" + cgroup):
        if "cgroup.procs" in files:
            pids += [int(pid) for pid in read(directory + "/cgroup.procs").split()]
    return pids


def main():
    sockets = subprocess.run(["ss", "-H", "-O", "-tunapie"], capture_output=True, text=True).stdout.splitlines()
    result = {}
    for unit in sys.argv[1:]:
        if unit.isdigit():
            pids = [int(unit)]
        else:
            group = subprocess.run(["systemctl", "show", "-P", "ControlGroup", unit], capture_output=True, text=True).stdout.strip()
            pids = pids_below(group) if group else []
        processes = [found for found in map(process, sorted(pids)) if found]
        result[unit] = {
            "processes": processes,
            "sockets": [" ".join(line.split()) for line in sockets if any(f"pid={pid}," in line for pid in pids)],
        }
    print(json.dumps(result))


main()
