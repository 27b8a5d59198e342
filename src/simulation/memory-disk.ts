/**
 * What of a disk in memory survives a crash: contents by the sector, names one by
 * one (memory-file-system.ts has the fault model). Chance comes from the caller.
 */

/** bytes: the unit in which a write may tear */
export const SECTOR_SIZE = 512;

/**
 * A change of contents that no datasync has covered, with what it takes to undo it.
 * Bytes stand in the file's journal: what was written, then what stood there before,
 * as far as the file reached; or what was cut off.
 */
type Change = {
  readonly sequence: number;
  readonly sizeBefore: number;
  /** of its bytes in the journal */
  readonly start: number;
  readonly beforeSize: number;
} & (
  | { readonly kind: "write"; readonly position: number; readonly size: number }
  | { readonly kind: "truncate"; readonly size: number }
);

/** A file's contents, apart from its names. */
export class Inode {
  #bytes: Uint8Array = new Uint8Array(0);
  size = 0;
  /** oldest first */
  #changes: Change[] = [];
  readonly #journal = new Journal();
  #sequence = 0;
  /** a datasync has failed: nothing becomes durable any more */
  broken = false;
  /** whether others may read the same bytes: then they are copied before they are changed */
  #shared = false;

  /** One of its own with the same contents, all of them durable. */
  copy(): Inode {
    const copy = new Inode();
    copy.replace(this.#bytes);
    copy.size = this.size;
    this.#shared = true;
    return copy;
  }

  /** Its contents are `bytes` from now on, and durable; they are not written to. */
  replace(bytes: Uint8Array): void {
    this.#changes = [];
    this.#journal.forgetBefore(undefined);
    this.#bytes = bytes;
    this.size = bytes.length;
    this.#shared = true;
  }

  get contents(): Uint8Array {
    return this.#bytes.subarray(0, this.size);
  }

  get sequence(): number {
    return this.#sequence;
  }

  /** Fills `target` from `position` on, as far as the file reaches. @returns how many bytes */
  read(target: Uint8Array, position: number): number {
    const end = Math.min(this.size, position + target.length);
    if (end <= position) return 0;
    target.set(this.#bytes.subarray(position, end));
    return end - position;
  }

  write(source: Uint8Array, position: number): void {
    const { size: sizeBefore } = this;
    const size = source.length;
    const beforeSize = Math.max(0, Math.min(size, sizeBefore - position));
    const start = this.#journal.append(source, 0, size);
    this.#journal.append(this.#bytes, position, beforeSize);
    const sequence = ++this.#sequence;
    this.#changes.push({ kind: "write", sequence, position, size, start, beforeSize, sizeBefore });
    this.#put(source, position);
  }

  truncate(size: number): void {
    const { size: sizeBefore } = this;
    const beforeSize = Math.max(0, sizeBefore - size);
    const start = this.#journal.append(this.#bytes, size, beforeSize);
    const sequence = ++this.#sequence;
    this.#changes.push({ kind: "truncate", sequence, size, start, beforeSize, sizeBefore });
    this.#resize(size);
  }

  /** What was done up to `sequence` is durable. */
  settle(sequence: number): void {
    if (this.broken) return;
    const kept = this.#changes.findIndex((change) => change.sequence > sequence);
    if (kept === 0) return;
    this.#changes.splice(0, kept === -1 ? Infinity : kept);
    this.#journal.forgetBefore(this.#changes[0]?.start);
  }

  /** Whether a crash may take something that was written before `end` and is no zero. */
  mayLose(end: number): boolean {
    return this.#changes.some((change) => {
      if (change.kind !== "write" || change.position >= end) return false;
      const until = Math.min(end, change.position + change.size);
      return this.contents.subarray(change.position, until).some((byte) => byte !== 0);
    });
  }

  /** Goes back to the durable contents, then lets some of the changes happen. */
  crash(random: () => number): void {
    const changes = this.#changes;
    for (const change of changes.toReversed()) this.#undo(change);
    this.#changes = [];
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
    this.#journal.forgetBefore(undefined);
  }

  #writeSectors(
    change: { readonly position: number; readonly start: number; readonly size: number },
    happens: (sector: number) => boolean,
  ): void {
    const { position, size } = change;
    const bytes = this.#journal.view(change.start, size);
    let from = 0;
    while (from < size) {
      const sector = Math.floor((position + from) / SECTOR_SIZE);
      const to = Math.min(size, (sector + 1) * SECTOR_SIZE - position);
      if (happens(sector)) this.#put(bytes.subarray(from, to), position + from);
      from = to;
    }
  }

  #undo(change: Change): void {
    if (change.kind === "write") {
      this.#put(this.#journal.view(change.start + change.size, change.beforeSize), change.position);
      this.#resize(change.sizeBefore);
    } else {
      this.#resize(change.sizeBefore);
      this.#put(this.#journal.view(change.start, change.beforeSize), change.size);
    }
  }

  #put(bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return;
    const end = position + bytes.length;
    if (end > this.size) this.#resize(end);
    this.#own();
    this.#bytes.set(bytes, position);
  }

  /** Bytes behind `size` are always zero, so growing needs no filling. */
  #resize(size: number): void {
    if (size < this.size) {
      this.#own();
      this.#bytes.fill(0, size, this.size);
    }
    if (size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(size, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#shared = false;
    }
    this.size = size;
  }

  #own(): void {
    if (this.#shared) this.#bytes = this.#bytes.slice();
    this.#shared = false;
  }
}

/** Bytes in the order of their coming; the oldest are forgotten first. Offsets never change. */
class Journal {
  #bytes = new Uint8Array(0);
  #size = 0;
  /** offset of the first byte that is held */
  #start = 0;

  /** Takes a copy. @returns its offset */
  append(source: Uint8Array, from: number, size: number): number {
    const offset = this.#start + this.#size;
    if (size === 0) return offset;
    if (this.#size + size > this.#bytes.length) this.#grow(this.#size + size);
    const part = from === 0 && size === source.length ? source : source.subarray(from, from + size);
    this.#bytes.set(part, this.#size);
    this.#size += size;
    return offset;
  }

  /** Of bytes that are held; good until the next change. */
  view(offset: number, size: number): Uint8Array {
    const from = offset - this.#start;
    return this.#bytes.subarray(from, from + size);
  }

  /** Forgets what stands before `offset`; undefined: everything. */
  forgetBefore(offset: number | undefined): void {
    const count = offset === undefined ? this.#size : offset - this.#start;
    this.#bytes.copyWithin(0, count, this.#size);
    this.#start += count;
    this.#size -= count;
  }

  #grow(size: number): void {
    const grown = new Uint8Array(Math.max(size, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#size));
    this.#bytes = grown;
  }
}

function touchedSectors(changes: readonly Change[]): ReadonlySet<number> {
  const sectors = new Set<number>();
  for (const change of changes) {
    if (change.kind !== "write") continue;
    const last = Math.ceil((change.position + change.size) / SECTOR_SIZE);
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
  readonly #durable = new Map<string, Inode>();
  #changes: NameChange[] = [];
  /** how many changes came before them */
  #settledCount = 0;

  /** How many changes there were so far. */
  get sequence(): number {
    return this.#settledCount + this.#changes.length;
  }

  apply(change: NameChange): void {
    this.#changes.push(change);
    applyNames(this.names, change);
  }

  /** The first `sequence` changes of all are durable. */
  sync(sequence: number): void {
    const settled = this.#changes.splice(0, Math.max(0, sequence - this.#settledCount));
    for (const change of settled) applyNames(this.#durable, change);
    this.#settledCount += settled.length;
  }

  /**
   * A file that a crash may take, or something of it that stands before the end that
   * matters and is no zero.
   *
   * @param endOf by name and size; nothing matters of a file where it is 0
   */
  mayLose(endOf: (name: string, size: number) => number): string | undefined {
    const named = this.#changes.length === 0 ? undefined : new Set(this.#durable.values());
    for (const [name, inode] of this.names) {
      const end = endOf(name, inode.size);
      if (end > 0 && (named?.has(inode) === false || inode.mayLose(end))) return name;
    }
    return undefined;
  }

  /** One of its own with files of its own, all of it durable. */
  copy(): Directory {
    const copy = new Directory();
    copy.apply([...this.names].map(([name, inode]) => [name, inode.copy()]));
    copy.sync(1);
    return copy;
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
