import { kinds, selection } from './kinds.js';

const held = Object.keys(kinds);
const PULL = `query Pull($input: SyncPullInput!) { sync(input: $input) {
  strategy watermark hasMore checkpoint { token } scopes { kind clientId } tombstones { collection id reason }
  ${held.map((kind) => `${kind} { ${selection(kind)} }`).join(' ')}
} }`;
const PUSH = `mutation Push($input: SyncPushInput!) { syncPush(input: $input) {
  results { opId id status version seq conflict { reason fields } error { code message } }
} }`;

// A book on the phone. All of it is kept in the phone's database: `base` is what the service said, and only pulls write
// it; over it lies what the person did since, until a pull has brought it back.
export class Book {
  base = new Map(); // documents by id
  queue = []; // operations that are to be sent
  done = []; // operations that were answered, each with the position of what it did
  checkpoint = undefined;
  named = undefined; // what the pages of a pull that replaces everything have named so far
  count = 0; // operations ever made

  // `deviceId` is `device_` and a UUID that the app made for this user, and keeps.
  constructor({ graphql, deviceId }) {
    Object.assign(this, { graphql, deviceId });
  }

  // A document as the person sees it.
  view(id) {
    const ops = [...this.done, ...this.queue].filter((op) => op.id === id);
    const lay = (doc, op) => (op.kind === 'DELETE' ? undefined : { ...doc, id, ...op[partOf(id)] });
    return ops.reduce(lay, this.base.get(id));
  }

  // Creates, changes (`patch` has what changes) or, without a patch, deletes.
  write(id, patch) {
    const [part, seen, fields] = [partOf(id), this.view(id), Object.keys(patch ?? {})];
    const made = this.queue.filter(({ kind, id }) => kind === 'CREATE' && fields.some((field) => patch[field] === id));
    const op = { opId: crypto.randomUUID(), opSeq: ++this.count, id, occurredAt: new Date().toISOString() };
    op.kind = !patch ? 'DELETE' : seen ? 'UPDATE' : 'CREATE';
    op.dependsOn = made.map(({ opId }) => opId);
    if (patch) op[part] = patch;
    if (seen && patch) op[`base${part[0].toUpperCase()}${part.slice(1)}`] = Object.fromEntries(fields.map((field) => [field, seen[field] ?? null]));
    if (seen) op.baseVersion = (this.done.findLast((op) => op.id === id) ?? this.base.get(id))?.version;
    this.queue.push(op);
  }

  async sync() {
    await this.push();
    await this.pull();
  }

  async push() {
    while (this.queue.length > 0) {
      const input = { deviceId: this.deviceId, sentAt: new Date().toISOString(), ops: this.queue.slice(0, 200) };
      const { results } = (await this.graphql(PUSH, { input })).syncPush;
      const waiting = new Set();
      for (const { opId, status, version, seq } of results) {
        const op = this.queue.find((op) => op.opId === opId);
        if (status === 'DEFERRED' || status === 'RETRY') waiting.add(opId);
        if (!['APPLIED', 'MERGED', 'DUPLICATE'].includes(status)) continue;
        // What comes after builds on what was just done, unless others' changes are in it.
        const basis = status === 'MERGED' ? undefined : version;
        this.done.push({ ...op, seq, version: basis });
        for (const later of this.queue) if (later.id === op.id && later.opSeq > op.opSeq) later.baseVersion = basis;
      }
      // What was refused is taken back here; the next pull brings it as a sync issue, with base, mine and theirs.
      const sent = new Set(results.map(({ opId }) => opId).filter((opId) => !waiting.has(opId)));
      this.queue = this.queue.filter(({ opId }) => !sent.has(opId));
      if (waiting.size > 0) break; // later
    }
  }

  async pull() {
    let page;
    do {
      const input = { checkpoint: this.checkpoint, deviceId: this.deviceId, schemaVersion: 1, collections: held.map(collectionOf) };
      page = (await this.graphql(PULL, { input })).sync;
      // From here to the end of the loop in one transaction of the phone's database.
      if (page.strategy === 'REPLACE') this.named ??= new Set();
      for (const { id } of page.tombstones) this.base.delete(id);
      for (const doc of held.flatMap((kind) => page[kind])) {
        this.base.set(doc.id, doc);
        this.named?.add(doc.id);
      }
      this.checkpoint = page.checkpoint;
      if (!page.hasMore) {
        if (this.named) for (const id of this.base.keys()) if (!this.named.has(id)) this.base.delete(id);
        this.named = undefined;
        this.done = this.done.filter(({ seq }) => seq > page.watermark);
      }
    } while (page.hasMore);
  }

  // What was refused: for each, what the person saw, what they wrote, and what is there.
  problems() {
    const issues = [...this.base.values()].filter(({ id }) => id.startsWith('sync_issue_'));
    return issues.map(({ documentId, code, message, payload }) => ({ id: documentId, code, message, ...JSON.parse(payload) }));
  }
}

const partOf = (id) => id.slice(0, id.lastIndexOf('_'));
const collectionOf = (kind) => kind.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
