/**
 * What of a disk in memory survives a crash: contents by the sector, names one by
 * one (memory-file-system.ts has the fault model). Chance comes from the caller.
 */

/** bytes: the unit in which a write may tear */
export const SECTOR_SIZE = 512;

/** A change of contents that no datasync has covered, with what it takes to undo it. */
type Change =
  | {
      readonly kind: "write";
      readonly sequence: number;
      readonly position: number;
      readonly bytes: Uint8Array;
      /** what stood there, as far as the file reached */
      readonly before: Uint8Array;
      readonly sizeBefore: number;
    }
  | {
      readonly kind: "truncate";
      readonly sequence: number;
      readonly size: number;
      /** what was cut off */
      readonly before: Uint8Array;
      readonly sizeBefore: number;
    };

/** A file's contents, apart from its names. */
export class Inode {
  #bytes = new Uint8Array(0);
  size = 0;
  /** oldest first */
  changes: Change[] = [];
  #sequence = 0;
  /** a datasync has failed: nothing becomes durable any more */
  broken = false;

  get contents(): Uint8Array {
    return this.#bytes.subarray(0, this.size);
  }

  get sequence(): number {
    return this.#sequence;
  }

  write(source: Uint8Array, position: number): void {
    const before = this.contents.slice(position, position + source.length);
    const bytes = new Uint8Array(source); // a Buffer's own slice would share memory
    const sequence = ++this.#sequence;
    this.changes.push({ kind: "write", sequence, position, bytes, before, sizeBefore: this.size });
    this.#put(bytes, position);
  }

  truncate(size: number): void {
    const before = this.contents.slice(size);
    const sequence = ++this.#sequence;
    this.changes.push({ kind: "truncate", sequence, size, before, sizeBefore: this.size });
    this.#resize(size);
  }

  /** What was done up to `sequence` is durable. */
  settle(sequence: number): void {
    if (!this.broken) this.changes = this.changes.filter((change) => change.sequence > sequence);
  }

  /** Goes back to the durable contents, then lets some of the changes happen. */
  crash(random: () => number): void {
    const changes = this.changes;
    for (const change of changes.toReversed()) this.#undo(change);
    this.changes = [];
    this.broken = false;
    const cuts = changes.filter((change) => change.kind === "truncate");
    const lost = cuts[Math.floor(random() * (cuts.length + 1))];
    const survivors = lost === undefined ? changes : changes.slice(0, changes.indexOf(lost));
    const keep = keeper(random);
    /** per sector: how many of its changes happen */
    const versions = new Map<number, number>();
    for (const sector of touchedSectors(survivors)) versions.set(sector, keep(survivors.length));
    survivors.forEach((change, i) => {
      if (change.kind === "truncate") this.#resize(change.size);
      else this.#writeSectors(change, (sector) => i < (versions.get(sector) ?? 0));
    });
  }

  #writeSectors(
    change: { readonly position: number; readonly bytes: Uint8Array },
    happens: (sector: number) => boolean,
  ): void {
    const { position, bytes } = change;
    let from = 0;
    while (from < bytes.length) {
      const sector = Math.floor((position + from) / SECTOR_SIZE);
      const to = Math.min(bytes.length, (sector + 1) * SECTOR_SIZE - position);
      if (happens(sector)) this.#put(bytes.subarray(from, to), position + from);
      from = to;
    }
  }

  #undo(change: Change): void {
    if (change.kind === "write") {
      this.#put(change.before, change.position);
      this.#resize(change.sizeBefore);
    } else {
      this.#resize(change.sizeBefore);
      this.#put(change.before, change.size);
    }
  }

  #put(bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return;
    const end = position + bytes.length;
    if (end > this.size) this.#resize(end);
    this.#bytes.set(bytes, position);
  }

  /** Bytes behind `size` are always zero, so growing needs no filling. */
  #resize(size: number): void {
    if (size < this.size) this.#bytes.fill(0, size, this.size);
    if (size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(size, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.size = size;
  }
}

function touchedSectors(changes: readonly Change[]): ReadonlySet<number> {
  const sectors = new Set<number>();
  for (const change of changes) {
    if (change.kind !== "write") continue;
    const last = Math.ceil((change.position + change.bytes.length) / SECTOR_SIZE);
    for (let s = Math.floor(change.position / SECTOR_SIZE); s < last; s++) sectors.add(s);
  }
  return sectors;
}

/** How generous one crash is with one file: nothing, everything, or a draw per item. */
function keeper(random: () => number): (count: number) => number {
  const mood = random();
  if (mood < 0.15) return () => 0;
  if (mood < 0.3) return (count) => count;
  return (count) => {
    const luck = random();
    if (luck < 0.4) return 0;
    return luck < 0.8 ? count : Math.floor(random() * (count + 1));
  };
}

/** Names set (to a file) or removed (undefined), as one whole. */
type NameChange = readonly (readonly [name: string, inode: Inode | undefined])[];

export class Directory {
  readonly names = new Map<string, Inode>();
  #durable = new Map<string, Inode>();
  #changes: NameChange[] = [];

  apply(change: NameChange): void {
    this.#changes.push(change);
    applyNames(this.names, change);
  }

  sync(): void {
    this.#durable = new Map(this.names);
    this.#changes = [];
  }

  crash(random: () => number): void {
    const keep = keeper(random);
    for (const change of this.#changes) if (keep(1) === 1) applyNames(this.#durable, change);
    this.names.clear();
    for (const [name, inode] of this.#durable) this.names.set(name, inode);
    this.#changes = [];
  }
}

function applyNames(names: Map<string, Inode>, change: NameChange): void {
  for (const [name, inode] of change) {
    if (inode === undefined) names.delete(name);
    else names.set(name, inode);
  }
}
