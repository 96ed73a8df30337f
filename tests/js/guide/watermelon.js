import { Q } from '@nozbe/watermelondb';
import { synchronize } from '@nozbe/watermelondb/sync/index.js';
import { kinds, selection } from './kinds.js';

// Beside the columns of a kind, each table has `server`: the document as it was pulled. Lists and objects are texts of JSON.
const isJson = ({ type }) => type === 'array' || type === 'object';
const typeOf = (field) => (isJson(field) ? 'string' : field.type);
export const columns = (kind) => [
  ...Object.entries(kinds[kind].fields).map(([name, field]) => ({ name, type: typeOf(field), isOptional: true })),
  { name: 'server', type: 'string', isOptional: true },
];
const toRow = (kind, doc) => {
  const row = { id: doc.id, server: JSON.stringify(doc) };
  for (const [name, field] of Object.entries(kinds[kind].fields)) row[name] = isJson(field) ? JSON.stringify(doc[name]) : doc[name];
  return row;
};
const fromRow = (kind, row, names) =>
  Object.fromEntries(names.map((name) => [name, isJson(kinds[kind].fields[name]) ? JSON.parse(row[name]) : row[name]]));

const held = Object.keys(kinds);
const written = held.filter((kind) => kinds[kind].doc); // clients first: the others hang on them
const PULL = `query Pull($input: SyncPullInput!) { sync(input: $input) {
  strategy watermark hasMore checkpoint { token } tombstones { collection id } ${held.map((kind) => `${kind} { ${selection(kind)} }`).join(' ')}
} }`;
const PUSH = `mutation Push($input: SyncPushInput!) { syncPush(input: $input) {
  results { opId id status conflict { reason serverVersion } error { code message } }
} }`;
const collectionOf = (kind) => kind.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
const partOf = (kind) => kinds[kind].doc.toLowerCase();

// One pull and one push; answers what was refused. `onConflict` is shown { kind, id, field, base, mine, theirs }; what the service has stays.
// `deviceId` is `device_` and a UUID that the app made for this user, and keeps.
export async function sync(database, { graphql, deviceId, onConflict = () => {} }) {
  const [lost, kept, refused] = [[], [], []];
  // What was sent last time, so that the same is sent under the same id again, and known when it is pulled.
  let { count, before } = { count: 0, before: {}, ...JSON.parse((await database.localStorage.get('sent')) ?? '{}') };
  const sent = {};
  const numbered = (op) => ({ ...op, opId: crypto.randomUUID(), opSeq: ++count });

  async function push(wanted, basis) {
    const isSame = (one, other) => JSON.stringify({ ...one, opId: 0, opSeq: 0 }) === JSON.stringify({ ...other, opId: 0, opSeq: 0 });
    let ops = wanted.map((op) => (op.kind !== 'DELETE' && isSame(before[op.id], op) ? before[op.id] : numbered(op)));
    const rejected = Object.fromEntries(written.map((kind) => [kind, []]));
    while (ops.length > 0) {
      for (const op of ops) sent[op.id] = op;
      await database.localStorage.set('sent', JSON.stringify({ count, before: sent }));
      const { results } = (await graphql(PUSH, { input: { deviceId, basis, ops: ops.slice(0, 200) } })).syncPush;
      for (const [at, { id, status, conflict, error }] of results.entries()) {
        const kind = written.find((kind) => id.startsWith(`${partOf(kind)}_`));
        if (['CONFLICT', 'REJECTED', 'RETRY'].includes(status)) {
          rejected[kind].push(id);
          if (conflict?.reason === 'NOT_VISIBLE') lost.push([kind, id]);
          else if (status === 'REJECTED' && ops[at].kind === 'DELETE') kept.push([kind, id]);
          else if (status !== 'RETRY' && conflict?.reason !== 'STALE_FIELDS') refused.push({ kind, id, ...error });
          // What is stale was changed since the pull; the next one brings that.
        }
      }
      ops = ops.slice(200);
    }
    return rejected;
  }
  const update = (kind, row) => {
    const names = row._changed.split(',').filter((name) => name && name !== 'server');
    return { id: row.id, kind: 'UPDATE', baseVersion: row.version, [partOf(kind)]: fromRow(kind, row, names) };
  };
  const create = (kind, row) => {
    const names = Object.keys(kinds[kind].fields).filter((name) => row[name] !== null && name !== 'version');
    return { id: row.id, kind: 'CREATE', [partOf(kind)]: fromRow(kind, row, names) };
  };

  await synchronize({
    database,
    sendCreatedAsUpdated: true,
    async pullChanges({ lastPulledAt }) {
      const pulled = Object.fromEntries(held.map((kind) => [kind, { docs: new Map(), gone: new Set() }]));
      const anew = await database.localStorage.get('begins_anew');
      let page;
      do {
        const from = page ? { checkpoint: page.checkpoint } : { since: anew ? 0 : (lastPulledAt ?? 0) };
        page = (await graphql(PULL, { input: { ...from, deviceId, schemaVersion: 1, collections: held.map(collectionOf) } })).sync;
        for (const kind of held) {
          const { docs, gone } = pulled[kind];
          for (const { id } of page.tombstones.filter(({ collection }) => collection === collectionOf(kind))) {
            docs.delete(id);
            gone.add(id);
          }
          for (const doc of page[kind]) {
            docs.set(doc.id, toRow(kind, doc));
            gone.delete(doc.id);
          }
        }
      } while (page.hasMore);
      // Deleting takes along what the person wrote and nobody has: it is sent first, to be kept among the sync issues.
      const unsent = [];
      for (const kind of written) {
        const ids = Q.where('id', Q.oneOf([...pulled[kind].gone]));
        const rows = await database.get(kind).query(ids, Q.where('_status', 'updated')).fetch();
        unsent.push(...rows.map((row) => update(kind, row._raw)));
      }
      await push(unsent, lastPulledAt);
      await database.localStorage.remove('begins_anew');
      return {
        changes: Object.fromEntries(
          held.map((kind) => [kind, { created: [], updated: [...pulled[kind].docs.values()], deleted: [...pulled[kind].gone] }]),
        ),
        timestamp: page.watermark,
        experimentalStrategy: page.strategy === 'REPLACE' ? 'replacement' : 'incremental',
      };
    },
    conflictResolver(kind, local, remote, resolved) {
      const base = local.server && toRow(kind, JSON.parse(local.server));
      for (const field of local._changed.split(',').filter((name) => base && name)) {
        const [mine, theirs] = [local[field], remote[field]];
        const own = before[local.id]?.[partOf(kind)]?.[field];
        if (mine === theirs || theirs === base[field] || theirs === own) continue;
        resolved[field] = theirs;
        onConflict({ kind, id: local.id, field, base: base[field], mine, theirs });
      }
      return resolved;
    },
    async pushChanges({ changes, lastPulledAt }) {
      const ops = written.flatMap((kind) => [
        // What has a version was made before, and only the answer was lost.
        ...changes[kind].created.map((row) => (row.version ? update(kind, row) : create(kind, row))),
        ...changes[kind].updated.map((row) => update(kind, row)),
        ...changes[kind].deleted.map((id) => ({ id, kind: 'DELETE' })),
      ]);
      return { experimentalRejectedIds: await push(ops, lastPulledAt) };
    },
  });
  await database.write(async () => {
    for (const [kind, id] of lost) {
      const [row] = await database.get(kind).query(Q.where('id', id)).fetch();
      await row?.destroyPermanently();
    }
    // What may not be deleted comes back, with a pull of everything.
    for (const [kind, id] of kept) await database.adapter.destroyDeletedRecords(kind, [id]);
    if (kept.length > 0) await database.localStorage.set('begins_anew', true);
  });
  return refused; // with `code` and `message`: for the person to change, or to discard
}

// Takes what the service has, in place of what it refused.
export const discard = (database, { kind, id }) =>
  database.write(async () => {
    const [row] = await database.get(kind).query(Q.where('id', id)).fetch();
    if (!row?.server) return row?.destroyPermanently();
    const { id: _, ...columns } = toRow(kind, JSON.parse(row.server));
    await row.update(() => Object.assign(row, columns));
  });
