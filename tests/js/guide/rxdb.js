import { createRxDatabase } from 'rxdb';
import { replicateGraphQL } from 'rxdb/plugins/replication-graphql';
import { kinds, selection } from './kinds.js';

// Of a document that is gone, every field but the id is null.
const schemaOf = (kind) => ({
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: Object.entries(kinds[kind].fields).reduce(
    (all, [field, { type }]) => ({ ...all, [field]: { type: [type, 'null'] } }),
    { id: { type: 'string', maxLength: 60 } },
  ),
  required: ['id'],
});
const nameOf = (kind) => kind.toLowerCase(); // as RxDB wants it
const collectionOf = (kind) => kind.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

// Opens the database of a user: its name holds the user's id, as two may share a phone.
export async function open(name, storage, held = Object.keys(kinds)) {
  const database = await createRxDatabase({ name, storage, multiInstance: false });
  await database.addCollections(Object.fromEntries(held.map((kind) => [nameOf(kind), { schema: schemaOf(kind) }])));
  return database;
}

// Keeps a collection in step, as long as it runs. `session` is that of `signIn`; `retryTime` in milliseconds.
export function replicate(database, kind, url, session, { retryTime = 5000, isLive = false } = {}) {
  const name = kind[0].toUpperCase() + kind.slice(1);
  const { doc } = kinds[kind];
  return replicateGraphQL({
    collection: database[nameOf(kind)],
    replicationIdentifier: `clientele ${kind}`,
    url: { http: `${url}/graphql`, ws: isLive ? `${url.replace('http', 'ws')}/graphql` : undefined },
    fetch: session.fetch,
    deletedField: 'deleted',
    pull: {
      batchSize: 200,
      queryBuilder: (checkpoint, limit) => ({
        query: `query Pull${name}($checkpoint: SyncCheckpointInput, $limit: Int!) {
          pull${name}(checkpoint: $checkpoint, limit: $limit) {
            documents { ${selection(kind)} deleted }
            checkpoint { token }
          }
        }`,
        variables: { checkpoint, limit },
      }),
      // With `isLive` the service says when to pull; without it, call `reSync()` of what this answers.
      streamQueryBuilder: () => ({ query: `subscription { syncPoke(collections: [${collectionOf(kind)}]) }` }),
      wsOptions: { connectionParams: async () => ({ Authorization: `Bearer ${await session.token()}` }) },
    },
    push: doc && {
      batchSize: 20, // a request has at most 256 KiB
      queryBuilder: (rows) => ({
        query: `mutation Push${name}($rows: [${doc}PushRow!]!) { push${name}(rows: $rows) { ${selection(kind)} deleted } }`,
        variables: { rows },
      }),
    },
    retryTime,
  });
}

// After `SYNC_RESYNC_REQUIRED`. What the person wrote has been sent by then: that needs no checkpoint.
export async function beginAnew(database, kind, ...how) {
  await database[nameOf(kind)].remove();
  await database.addCollections({ [nameOf(kind)]: { schema: schemaOf(kind) } });
  return replicate(database, kind, ...how);
}
