// The package databases of this host. A host can have two (alien packages, containers' tools); each is read on its own.
// Trusts root's files below `root`; where no manager is known, no file is packaged. Costs a few stats.
import type { PackageReader } from "../../core/packages.ts";
import { dpkgReader } from "./dpkg.ts";
import { rpmReader } from "./rpm.ts";

/** Those present, dpkg first. */
export function packageReaders(root = "/"): readonly PackageReader[] {
  return [dpkgReader(root), rpmReader(root)].flatMap((reader) => reader ?? []);
}
