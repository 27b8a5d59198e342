/**
 * Memory off the JavaScript heap: cells of any size in pages of cells of one size.
 *
 *   place := page number, unit within the page     a u32; 0 is no place
 *   unit  := 8 bytes                               every cell begins at one
 *   page  := cell*                                 of one size class, 256 KiB at most
 *
 * Size classes are a sixteenth apart. What was freed is used again before more is; a page without a cell in use is given back, so that what one size has left
 * another one gets. A cell too large for the classes has a page of its own, which
 * is never used again: views of its bytes stay true for ever.
 *
 * A page begins small and is copied into larger memory as it fills, so that a small
 * database has small pages: views of a page's memory are of one moment, places stay.
 * All pages of small cells that are full grown have memory of the same size, which the
 * next one gets when one is given back: values that change their sizes for ever would
 * otherwise leave the allocator holes of every size.
 */
import { assert } from "../assert.js";

const UNIT_SHIFT = 3;
const UNIT_SIZE: number = 1 << UNIT_SHIFT;
const PAGE_SHIFT = 15;
const PAGE_UNITS: number = 1 << PAGE_SHIFT;
const UNIT_MASK: number = PAGE_UNITS - 1;
const PAGE_SIZE: number = PAGE_UNITS << UNIT_SHIFT;
/** 32 GiB in full pages. */
const PAGE_COUNT_MAX: number = 1 << (32 - PAGE_SHIFT);
/** The part of its pages from which on it is nearly full; what is under way by then has the rest. */
const NEARLY_FULL_PART = 0.9;
/** units; a larger cell has a page of its own */
const CLASS_UNITS_MAX: number = PAGE_UNITS / 4;
const FIRST_PAGE_UNITS = 64;
/** units; pages of cells up to it waste at most a 32nd of memory that fits them all */
const SHARED_UNITS_MAX: number = PAGE_UNITS / 32;
/** Memory that is kept for the next pages; the rest the allocator has, and finds again. */
const SPARE_COUNT_MAX = 8;
/** Freed cells of a page that there is room to note at first. */
const FIRST_FREED_COUNT = 8;
/** A new page of a class has room for this part of the cells that the class has. */
const GROWTH_PART = 8;

const NONE_FREED = new Uint16Array(0);

/** What is known of the cells of one size. */
class SizeClass {
  readonly cellUnits: number;
  /** cells in use */
  usedCount = 0;
  /** the first page that has room */
  withRoom: Page | undefined;

  constructor(cellUnits: number) {
    this.cellUnits = cellUnits;
  }
}

/** Memory of one page. */
class Page {
  readonly number: number;
  readonly sizeClass: SizeClass;
  readonly cellUnits: number;
  /** cells it may grow to */
  readonly capacity: number;
  bytes: Uint8Array<ArrayBuffer>;
  words: Uint32Array;
  doubles: Float64Array;
  view: DataView;
  /** cells that its memory has, that were used ever, that are used */
  cellCount: number;
  begunCount = 0;
  usedCount = 0;
  /**
   * The first units of freed cells, `freedCount` of them; the last is used next. Noted here and not in
   * the cells, which are rarely in the processor's cache when they are freed and when they are taken.
   */
  freed: Uint16Array = NONE_FREED;
  freedCount = 0;
  /** among the pages of its class that have room */
  before: Page | undefined;
  behind: Page | undefined;

  constructor(number: number, sizeClass: SizeClass, cellCount: number, memory: ArrayBuffer) {
    const { cellUnits } = sizeClass;
    this.number = number;
    this.sizeClass = sizeClass;
    this.cellUnits = cellUnits;
    this.capacity = capacityOf(cellUnits);
    this.cellCount = cellCount;
    this.bytes = new Uint8Array(memory);
    this.words = new Uint32Array(memory);
    this.doubles = new Float64Array(memory);
    this.view = new DataView(memory);
  }

  get isFull(): boolean {
    return this.usedCount === this.capacity;
  }

  /** Whether its memory has to grow before a cell is taken. */
  get isExhausted(): boolean {
    return this.freedCount === 0 && this.begunCount === this.cellCount;
  }

  /** A cell that is not in use: its unit. The page is not full and has memory for it. */
  take(): number {
    this.usedCount += 1;
    if (this.freedCount !== 0) {
      this.freedCount -= 1;
      return this.freed[this.freedCount] ?? 0;
    }
    this.begunCount += 1;
    return (this.begunCount - 1) * this.cellUnits;
  }

  giveBack(unit: number): void {
    this.usedCount -= 1;
    if (this.freedCount === this.freed.length) this.#growFreed();
    this.freed[this.freedCount] = unit;
    this.freedCount += 1;
  }

  #growFreed(): void {
    const grown = new Uint16Array(Math.max(FIRST_FREED_COUNT, 2 * this.freedCount));
    grown.set(this.freed);
    this.freed = grown;
  }

  /** Moves into memory with room for so many cells. */
  moveInto(memory: ArrayBuffer, cellCount: number): void {
    const bytes = new Uint8Array(memory);
    bytes.set(this.bytes);
    this.cellCount = cellCount;
    this.bytes = bytes;
    this.words = new Uint32Array(memory);
    this.doubles = new Float64Array(memory);
    this.view = new DataView(memory);
  }
}

/** How many cells a page has when it is full grown. */
function capacityOf(cellUnits: number): number {
  return Math.max(1, Math.floor(PAGE_UNITS / cellUnits));
}

/** The first unit of a cell within its page; its words begin at twice, its bytes at eight times that. */
export function unitOf(place: number): number {
  return place & UNIT_MASK;
}

export class Arena {
  /** by number; the first stands for no page */
  readonly #pages: Page[] = [new Page(0, new SizeClass(1), 1, new ArrayBuffer(UNIT_SIZE))];
  readonly #freeNumbers: number[] = [];
  /** memory of pages that were given back, for the next ones */
  readonly #spare: ArrayBuffer[] = [];
  readonly #classes: (SizeClass | undefined)[] = [];
  #size = 0;
  readonly #pageCountMax: number;

  /** @param pageCountMax of other than the most there can be: for tests */
  constructor(pageCountMax: number = PAGE_COUNT_MAX) {
    this.#pageCountMax = pageCountMax;
  }

  /** Whether it is time to put nothing more in: there is no way on for a change that finds no page. */
  get isNearlyFull(): boolean {
    return this.#pages.length - this.#freeNumbers.length >= NEARLY_FULL_PART * this.#pageCountMax;
  }

  /** bytes of all pages */
  get size(): number {
    return this.#size;
  }

  page(place: number): Page {
    const page = this.#pages[place >>> PAGE_SHIFT];
    assert(page !== undefined, "a place is in a page");
    return page;
  }

  /** Whether a cell of so many bytes has a page of its own. */
  static isAlone(size: number): boolean {
    return size > CLASS_UNITS_MAX << UNIT_SHIFT;
  }

  /**
   * A cell of at least `size` bytes, which hold what they held.
   * @returns its place
   */
  allocate(size: number): number {
    const units = (size + UNIT_SIZE - 1) >>> UNIT_SHIFT;
    if (units > CLASS_UNITS_MAX) return this.#allocateAlone(units);
    const shift = shiftOf(units);
    const sizeClass = this.#classes[classOf(units, shift)] ?? this.#newClass(units, shift);
    const page = sizeClass.withRoom ?? this.#openPage(sizeClass);
    if (page.isExhausted) this.#grow(page);
    const unit = page.take();
    sizeClass.usedCount += 1;
    if (page.isFull) this.#unlink(page);
    return ((page.number << PAGE_SHIFT) | unit) >>> 0;
  }

  free(place: number): void {
    const page = this.page(place);
    if (page.cellUnits > CLASS_UNITS_MAX) {
      this.#drop(page);
      return;
    }
    const { sizeClass } = page;
    sizeClass.usedCount -= 1;
    if (page.isFull) this.#link(page);
    page.giveBack(unitOf(place));
    if (page.usedCount > 0) return;
    // Of a class that is in use one page with room stays, so that a cell that comes and goes costs no page.
    const isOnly = page.before === undefined && page.behind === undefined;
    if (isOnly && sizeClass.usedCount > 0) return;
    this.#unlink(page);
    this.#drop(page);
  }

  #allocateAlone(units: number): number {
    return (this.#newPage(new SizeClass(units), 1).number << PAGE_SHIFT) >>> 0;
  }

  #newClass(units: number, shift: number): SizeClass {
    const number = classOf(units, shift);
    // Without holes, which would make the array slower to read.
    while (this.#classes.length <= number) this.#classes.push(undefined);
    return (this.#classes[number] = new SizeClass(roundedUp(units, shift)));
  }

  #openPage(sizeClass: SizeClass): Page {
    const cellCount = Math.max(
      Math.floor(FIRST_PAGE_UNITS / sizeClass.cellUnits),
      Math.floor(sizeClass.usedCount / GROWTH_PART),
    );
    const page = this.#newPage(sizeClass, cellCount);
    this.#link(page);
    return page;
  }

  #newPage(sizeClass: SizeClass, cellCount: number): Page {
    const { cellUnits } = sizeClass;
    const number = this.#freeNumbers.pop() ?? this.#pages.length;
    assert(number < this.#pageCountMax, "the table holds 32 GiB at most");
    const count = Math.min(Math.max(cellCount, 1), capacityOf(cellUnits));
    const page = new Page(number, sizeClass, count, this.#memoryFor(cellUnits, count));
    this.#pages[number] = page;
    this.#size += page.bytes.length;
    return page;
  }

  #grow(page: Page): void {
    const { cellUnits, cellCount, capacity } = page;
    this.#size -= page.bytes.length;
    const grown = Math.min(2 * cellCount, capacity);
    page.moveInto(this.#memoryFor(cellUnits, grown), grown);
    this.#size += page.bytes.length;
  }

  #memoryFor(cellUnits: number, cellCount: number): ArrayBuffer {
    const isShared = cellUnits <= SHARED_UNITS_MAX && cellCount === capacityOf(cellUnits);
    if (!isShared) return new ArrayBuffer(cellCount * cellUnits * UNIT_SIZE);
    return this.#spare.pop() ?? new ArrayBuffer(PAGE_SIZE);
  }

  #drop(page: Page): void {
    const nothing = this.#pages[0];
    assert(nothing !== undefined, "the first page stands for none");
    this.#pages[page.number] = nothing;
    this.#freeNumbers.push(page.number);
    const { buffer, length } = page.bytes;
    this.#size -= length;
    if (page.cellUnits > SHARED_UNITS_MAX || length !== PAGE_SIZE) return;
    if (this.#spare.length < SPARE_COUNT_MAX) this.#spare.push(buffer);
  }

  #link(page: Page): void {
    const { sizeClass } = page;
    const first = sizeClass.withRoom;
    page.behind = first;
    if (first !== undefined) first.before = page;
    sizeClass.withRoom = page;
  }

  #unlink(page: Page): void {
    const { before, behind } = page;
    if (before === undefined) page.sizeClass.withRoom = behind;
    else before.behind = behind;
    if (behind !== undefined) behind.before = before;
    page.before = undefined;
    page.behind = undefined;
  }
}

/** How many low bits of a size are rounded: above 32 units all but five. */
function shiftOf(units: number): number {
  return units <= 32 ? 0 : 27 - Math.clz32(units - 1);
}

function classOf(units: number, shift: number): number {
  return (shift << 4) + ((units - 1) >>> shift);
}

function roundedUp(units: number, shift: number): number {
  return (((units - 1) >>> shift) + 1) << shift;
}
