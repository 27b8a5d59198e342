/** The whole state of a store as rows, and back; for tests. */
import type { RestoreWay } from "../../src/store/state-restore.js";
import type { StateRow } from "../../src/store/state-row.js";
import type { StateView } from "../../src/store/state-view.js";
import { Store } from "../../src/store/store.js";
import { LIMITS } from "./any-request.js";

/** A row to keep: its bytes are the store's until the view goes on. */
export function kept(row: StateRow): StateRow {
  const { kind, createRevision, modRevision, version, lease, time } = row;
  const bytes = { key: row.key.slice(), value: row.value.slice(), id: row.id.slice() };
  return { kind, ...bytes, createRevision, modRevision, version, lease, time };
}

/** What is left of a view, which is closed then. */
export function rest(view: StateView, sizeMax = 1000): StateRow[] {
  const rows: StateRow[] = [];
  for (;;) {
    const next = view.next(sizeMax);
    if (next.length === 0) break;
    rows.push(...next.map(kept));
  }
  view.close();
  return rows;
}

export function rowsOf(store: Store): StateRow[] {
  return rest(store.openView());
}

export function restored(
  rows: readonly StateRow[],
  store = new Store(LIMITS),
  way: RestoreWay = "in-slices",
): Store {
  const restore = store.beginRestore(way);
  for (const row of rows) restore.add(row);
  restore.finish();
  return store;
}
