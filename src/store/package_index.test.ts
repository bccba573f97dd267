import { Database } from "bun:sqlite";
import { afterEach, describe, expect, test } from "bun:test";
import type { PackageContent, PackagedPath, PackageReader } from "../core/packages.ts";
import { fail, ok } from "../core/result.ts";
import { createPackageIndex } from "./package_index.ts";

const MD5 = "0123456789abcdef0123456789abcdef";
const SHA = MD5 + MD5;

/** A package manager in memory: what is installed, and which packages were read since. */
function manager(name: "dpkg" | "rpm" = "dpkg") {
  const installed = new Map<string, { stamp: string; files: readonly PackagedPath[] }>();
  const read: string[] = [];
  let generation = 0;
  let broken = "";
  const reader: PackageReader = {
    name,
    canonical: (path) => path.replace(/^\/bin\//, "/usr/bin/"),
    fingerprint: () => String(generation),
    owners: async () =>
      broken === "owners"
        ? fail("io", "cannot list")
        : ok(new Map([...installed].map(([owner, { stamp }]) => [owner, stamp]))),
    async *read(owners) {
      for (const owner of owners) {
        if (broken === owner) return yield fail("io", "cannot read");
        read.push(owner);
        const content: PackageContent = {
          owner,
          name: owner.split(":")[0] ?? "",
          files: installed.get(owner)?.files ?? [],
        };
        yield ok(content);
      }
    },
  };
  return {
    reader,
    read,
    install(owner: string, stamp: string, files: readonly PackagedPath[]) {
      installed.set(owner, { stamp, files });
      generation++;
    },
    remove(owner: string) {
      installed.delete(owner);
      generation++;
    },
    breakAt(what: string) {
      broken = what;
    },
  };
}

function file(path: string, digest = MD5, config = false): PackagedPath {
  if (digest === "") return { path, algorithm: "none", digest, config };
  return { path, algorithm: digest === SHA ? "sha256" : "md5", digest, config };
}

let database = new Database(":memory:");
afterEach(() => {
  database.close();
  database = new Database(":memory:");
});

describe("the index of packaged files", () => {
  test("knows what was installed, by either name of its directory", async () => {
    const dpkg = manager();
    dpkg.install("bash", "1", [file("/usr/bin/bash"), file("/etc/bash.bashrc", MD5, true), file("/usr/bin/rbash", "")]);
    dpkg.install("libx:amd64", "1", [file("/usr/lib/libx.so", SHA)]);
    const index = createPackageIndex(database, [dpkg.reader]);
    expect(index.lookup("/usr/bin/bash")).toBeUndefined();
    expect(await index.refresh()).toEqual({ changed: true, packages: 2, faults: [] });
    const bash = { package: "bash", algorithm: "md5", digest: MD5, config: false } as const;
    expect(index.lookup("/usr/bin/bash")).toEqual(bash);
    expect(index.lookup("/bin/bash")).toEqual(bash);
    expect(index.lookup("/etc/bash.bashrc")?.config).toBe(true);
    expect(index.lookup("/usr/bin/rbash")).toEqual({ package: "bash", algorithm: "none", digest: "", config: false });
    expect(index.lookup("/usr/lib/libx.so")).toEqual({
      package: "libx",
      algorithm: "sha256",
      digest: SHA,
      config: false,
    });
    expect(index.lookup("/usr/bin/BASH")).toBeUndefined();
  });

  test("reads again only what changed, also after a restart", async () => {
    const dpkg = manager();
    dpkg.install("a", "1", [file("/usr/bin/a"), file("/usr/bin/a-old")]);
    dpkg.install("b", "1", [file("/usr/bin/b")]);
    await createPackageIndex(database, [dpkg.reader]).refresh();
    const index = createPackageIndex(database, [dpkg.reader]);
    expect(await index.refresh()).toEqual({ changed: false, packages: 2, faults: [] });
    dpkg.install("a", "2", [file("/usr/bin/a", SHA)]);
    dpkg.install("empty", "1", []);
    expect(await index.refresh()).toEqual({ changed: true, packages: 3, faults: [] });
    dpkg.install("empty", "1", []);
    expect(await index.refresh()).toEqual({ changed: false, packages: 3, faults: [] });
    expect(dpkg.read).toEqual(["a", "b", "a", "empty"]);
    expect(index.lookup("/usr/bin/a")?.digest).toBe(SHA);
    expect(index.lookup("/usr/bin/a-old")).toBeUndefined();
    expect(index.lookup("/usr/bin/b")?.package).toBe("b");
  });

  test("of two owners it names one with a digest, and the other when that is removed", async () => {
    const dpkg = manager();
    dpkg.install("with", "1", [file("/usr/share/x")]);
    dpkg.install("without", "1", [file("/usr/share/x", "")]);
    const index = createPackageIndex(database, [dpkg.reader]);
    await index.refresh();
    expect(index.lookup("/usr/share/x")?.package).toBe("with");
    dpkg.remove("with");
    expect((await index.refresh()).changed).toBe(true);
    expect(index.lookup("/usr/share/x")?.package).toBe("without");
  });

  test("keeps what it knew while the database cannot be listed, and tells", async () => {
    const dpkg = manager();
    dpkg.install("a", "1", [file("/usr/bin/a")]);
    const index = createPackageIndex(database, [dpkg.reader]);
    await index.refresh();
    dpkg.remove("a");
    dpkg.breakAt("owners");
    expect((await index.refresh()).faults.map((fault) => fault.message)).toEqual(["cannot list"]);
    expect(index.lookup("/usr/bin/a")?.package).toBe("a");
    dpkg.breakAt("");
    await index.refresh();
    expect(index.lookup("/usr/bin/a")).toBeUndefined();
  });

  test("goes on behind a package it could not read at the next refresh", async () => {
    const dpkg = manager();
    for (const name of ["a", "b", "c"]) dpkg.install(name, "1", [file(`/usr/bin/${name}`)]);
    dpkg.breakAt("b");
    const index = createPackageIndex(database, [dpkg.reader]);
    expect((await index.refresh()).faults.length).toBe(1);
    expect(index.lookup("/usr/bin/a")?.package).toBe("a");
    dpkg.breakAt("");
    expect((await index.refresh()).faults).toEqual([]);
    expect([dpkg.read, index.lookup("/usr/bin/c")?.package]).toEqual([["a", "b", "c"], "c"]);
  });

  test("forgets the packages of a manager that is gone, and without any knows nothing", async () => {
    const [dpkg, rpm] = [manager(), manager("rpm")];
    dpkg.install("a", "1", [file("/usr/bin/a")]);
    rpm.install("r", "1", [file("/usr/bin/r")]);
    await createPackageIndex(database, [dpkg.reader, rpm.reader]).refresh();
    const index = createPackageIndex(database, [dpkg.reader]);
    expect(await index.refresh()).toEqual({ changed: true, packages: 1, faults: [] });
    expect([index.lookup("/usr/bin/r"), index.lookup("/bin/a")?.package]).toEqual([undefined, "a"]);
    const none = createPackageIndex(database, []);
    expect((await none.refresh()).packages).toBe(0);
    expect(none.lookup("/usr/bin/a")).toBeUndefined();
  });

  test("two refreshes at once are one", async () => {
    const dpkg = manager();
    dpkg.install("a", "1", [file("/usr/bin/a")]);
    const index = createPackageIndex(database, [dpkg.reader]);
    await Promise.all([index.refresh(), index.refresh()]);
    expect(dpkg.read).toEqual(["a"]);
  });

  test("a database that fails is a fault, never an exception", async () => {
    const dpkg = manager();
    dpkg.install("a", "1", [file("/usr/bin/a")]);
    const index = createPackageIndex(database, [dpkg.reader]);
    database.run("DROP TABLE packaged");
    expect((await index.refresh()).faults.map((fault) => fault.kind)).toEqual(["io"]);
    expect(index.lookup("/usr/bin/a")).toBeUndefined();
    expect((await index.refresh()).faults.map((fault) => fault.message)).toContainEqual(
      expect.stringContaining("cannot be read"),
    );
  });
});
