import { bootHost } from "./testhost.ts";
import { copyRelease, mustInstall, configure, waitForScans } from "./product.ts";
const host = await bootHost();
try {
  await copyRelease(host);
  await mustInstall(host);
  await configure(host, { MODE: "enforce" });
  await waitForScans(host, 2);
  const cpu = async () => (await host.exec("p=$(systemctl show -p MainPID --value algo-monitor); cut -d' ' -f14,15 /proc/$p/stat; grep VmRSS /proc/$p/status; for c in $(pgrep -P $p); do echo child $(cut -d' ' -f2,14,15 /proc/$c/stat) $(grep VmRSS /proc/$c/status); done")).stdout;
  console.log("idle before", await cpu()); await Bun.sleep(10000); console.log("idle after 10 s", await cpu());
  console.log((await host.exec("systemd-run --quiet --pipe --wait --collect bash -c 'end=$((SECONDS+15)); n=0; while [ $SECONDS -lt $end ]; do /bin/true; n=$((n+1)); done; echo same $n'")).stdout, await cpu());
  console.log((await host.exec("systemd-run --quiet --pipe --wait --collect bash -c 'end=$((SECONDS+15)); n=0; while [ $SECONDS -lt $end ]; do /bin/true $n; n=$((n+1)); done; echo distinct $n'")).stdout, await cpu());
  await Bun.sleep(7000);
  console.log((await host.exec("algo-monitor status; sqlite3 -readonly /opt/.monitor/algo-monitor.db 'select count(*) from events'")).stdout);
  console.log((await host.exec("journalctl -u algo-monitor --no-pager -o cat | tail -5 | cut -c1-300")).stdout);
} finally { await host.stop(); }
