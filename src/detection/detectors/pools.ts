/**
 * Domains under which public mining pools are reached, for `-o stratum+tcp://<name>:<port>` in argv. A small list of
 * our own making; a site adds its own with MINING_POOLS. A name alone never kills: the process must hold a connection
 * to the named port and work.
 */
export const POOL_DOMAINS: readonly string[] = [
  "2miners.com",
  "antpool.com",
  "c3pool.com",
  "c3pool.org",
  "ethermine.org",
  "f2pool.com",
  "flexpool.io",
  "gntl.co.uk",
  "hashvault.pro",
  "herominers.com",
  "hiveon.net",
  "kryptex.network",
  "minexmr.com",
  "minergate.com",
  "moneroocean.stream",
  "monerohash.com",
  "nanopool.org",
  "nicehash.com",
  "p2pool.io",
  "poolin.com",
  "pool.xmr.pt",
  "rplant.xyz",
  "skypool.org",
  "supportxmr.com",
  "unmineable.com",
  "viabtc.com",
  "woolypooly.com",
  "xmrpool.eu",
  "xmrig.com",
  "zpool.ca",
];
