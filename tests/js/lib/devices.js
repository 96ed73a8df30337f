// Phones: the three kinds of clients of the guide, each behind a road of its own that can break.
import { createRequire } from 'node:module';
import { randomUUID } from 'node:crypto';

import { Database, Model, Q, appSchema, tableSchema } from '@nozbe/watermelondb';
import { field } from '@nozbe/watermelondb/decorators/index.js';
import { hasUnsyncedChanges } from '@nozbe/watermelondb/sync/index.js';
import { addRxPlugin } from 'rxdb';
import { RxDBDevModePlugin, disableWarnings } from 'rxdb/plugins/dev-mode';
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory';
import { wrappedValidateAjvStorage } from 'rxdb/plugins/validate-ajv';

import { Book } from '../guide/hand-written.js';
import { kinds } from '../guide/kinds.js';
import { beginAnew, open, replicate } from '../guide/rxdb.js';
import { columns, discard, sync } from '../guide/watermelon.js';
import { Road } from './proxy.js';
import { until } from './service.js';
import { deviceId, kindOf } from './team.js';

// The strictest form of RxDB: schemas are checked, and every document against its schema.
disableWarnings();
addRxPlugin(RxDBDevModePlugin);
const require = createRequire(import.meta.url);
const { default: LokiJSAdapter } = require('@nozbe/watermelondb/adapters/lokijs');
const { LokiMemoryAdapter } = require('lokijs');
const { default: logger } = require('@nozbe/watermelondb/utils/common/logger');
logger.silence();

const held = Object.keys(kinds);
const isJson = ({ type }) => type === 'array' || type === 'object';

class Phone {
  constructor(road, session) {
    Object.assign(this, { road, session });
  }

  static async road(service, email, device) {
    const road = await Road.to(() => service.url);
    return [road, await service.session(email, { url: road.url, device })];
  }
}

/** A phone with RxDB. */
export class RxPhone extends Phone {
  /** Conflicts as the app sees them: { input: { assumedMasterState, newDocumentState, realMasterState } }. */
  conflicts = [];
  /** What the service said was wrong; that somebody asks too much at a time is not. */
  refusals = [];

  static async of(service, email, more = {}) {
    const [road, session] = await Phone.road(service, email, 'rxdb');
    const phone = new RxPhone(road, session);
    const storage = wrappedValidateAjvStorage({ storage: getRxStorageMemory() });
    phone.database = await open(`book${randomUUID().replaceAll('-', '')}`, storage);
    phone.start(more);
    await Promise.all(phone.replications.map((replication) => replication.awaitInitialReplication()));
    return phone;
  }

  start(more = {}) {
    this.replications = held.map((kind) => {
      const replication = replicate(this.database, kind, this.road.url, this.session, { retryTime: 100, ...more });
      this.listen(kind, replication);
      return replication;
    });
  }

  listen(kind, replication) {
    replication.conflict$.subscribe((conflict) => this.conflicts.push({ kind, ...conflict.input }));
    replication.error$.subscribe((error) => {
      const told = (error.parameters?.errors ?? []).filter(({ extensions, message }) => (extensions ? extensions.rule !== 'CONCURRENCY' : !/fetch failed|terminated/.test(message ?? '')));
      this.refusals.push(...told.map((one) => `${kind}: ${JSON.stringify(one)}`));
    });
  }

  /** Begins collections anew of which the service has told that this is needed: those that hold something. */
  async beginAnew() {
    const isTold = (kind) => this.refusals.some((refusal) => refusal.startsWith(`${kind}: `) && refusal.includes('SYNC_RESYNC_REQUIRED'));
    const all = await this.documents();
    const full = held.filter((kind) => [...all.keys()].some((id) => kindOf(id) === kind));
    await until('each collection is told to', () => full.every(isTold));
    for (const [at, kind] of held.entries()) {
      if (!isTold(kind)) continue;
      this.replications[at] = await beginAnew(this.database, kind, this.road.url, this.session, { retryTime: 100 });
      this.listen(kind, this.replications[at]);
    }
    await Promise.all(this.replications.map((replication) => replication.awaitInitialReplication()));
  }

  collection(kind) {
    return this.database[kind.toLowerCase()];
  }

  async insert(kind, document) {
    await this.collection(kind).insert(document);
  }

  async edit(id, patch) {
    const found = await this.collection(kindOf(id)).findOne(id).exec();
    await found.incrementalPatch(patch);
  }

  async remove(id) {
    const found = await this.collection(kindOf(id)).findOne(id).exec();
    await found.incrementalRemove();
  }

  async documents() {
    const all = new Map();
    for (const kind of held) {
      for (const found of await this.collection(kind).find().exec()) all.set(found.id, found.toMutableJSON());
    }
    return all;
  }

  async sync() {
    for (const replication of this.replications) replication.reSync();
    // What was asked for is under way a moment later.
    await new Promise(setImmediate);
    await Promise.all(this.replications.map((replication) => replication.awaitInSync()));
  }

  async close() {
    await this.database.close();
    await this.road.close();
  }
}

/** A phone with WatermelonDB. */
export class MelonPhone extends Phone {
  conflicts = [];
  refused = [];
  deviceId = deviceId();

  static async of(service, email) {
    const [road, session] = await Phone.road(service, email, 'watermelon');
    const phone = new MelonPhone(road, session);
    const models = held.map((kind) => {
      class Row extends Model {
        static table = kind;
      }
      for (const { name } of columns(kind)) Object.defineProperty(Row.prototype, name, field(name)(Row.prototype, name, { initializer: null }));
      return Row;
    });
    const schema = appSchema({ version: 1, tables: held.map((kind) => tableSchema({ name: kind, columns: columns(kind) })) });
    const adapter = new LokiJSAdapter({
      schema,
      dbName: randomUUID(),
      useWebWorker: false,
      useIncrementalIndexedDB: true,
      extraLokiOptions: { autosave: false },
      _testLokiAdapter: new LokiMemoryAdapter(),
    });
    phone.database = new Database({ adapter, modelClasses: models });
    await phone.sync();
    return phone;
  }

  #row(kind, document) {
    const { fields } = kinds[kind];
    return Object.entries(document).map(([name, value]) => [name, fields[name] && isJson(fields[name]) ? JSON.stringify(value) : value]);
  }

  insert(kind, document) {
    return this.database.write(() =>
      this.database.get(kind).create((row) => {
        for (const [name, value] of this.#row(kind, document)) {
          if (name === 'id') row._raw.id = value;
          else row[name] = value;
        }
      }),
    );
  }

  edit(id, patch) {
    const kind = kindOf(id);
    return this.database.write(async () => {
      const row = await this.database.get(kind).find(id);
      await row.update(() => Object.assign(row, Object.fromEntries(this.#row(kind, patch))));
    });
  }

  remove(id) {
    return this.database.write(async () => (await this.database.get(kindOf(id)).find(id)).markAsDeleted());
  }

  async documents() {
    const all = new Map();
    for (const kind of held) {
      for (const { _raw: row } of await this.database.get(kind).query().fetch()) {
        const values = Object.entries(kinds[kind].fields).map(([name, of]) => [name, isJson(of) ? JSON.parse(row[name]) : row[name]]);
        all.set(row.id, { id: row.id, ...Object.fromEntries(values) });
      }
    }
    return all;
  }

  /** What was refused is discarded, as somebody does who gives in. */
  async sync() {
    const { deviceId, session, conflicts } = this;
    const refused = await sync(this.database, { deviceId, graphql: session.graphql, onConflict: (conflict) => conflicts.push(conflict) });
    for (const row of refused) await discard(this.database, row);
    this.refused.push(...refused);
  }

  hasUnsynced() {
    return hasUnsyncedChanges({ database: this.database });
  }

  close() {
    return this.road.close();
  }
}

/** A phone with a client that is written by hand. */
export class HandPhone extends Phone {
  static async of(service, email) {
    const [road, session] = await Phone.road(service, email, 'hand-written');
    const phone = new HandPhone(road, session);
    phone.book = new Book({ graphql: session.graphql, deviceId: deviceId() });
    await phone.sync();
    return phone;
  }

  async insert(kind, { id, ...fields }) {
    this.book.write(id, fields);
  }

  async edit(id, patch) {
    this.book.write(id, patch);
  }

  async remove(id) {
    this.book.write(id);
  }

  async documents() {
    const ids = new Set([...this.book.base.keys(), ...[...this.book.done, ...this.book.queue].map(({ id }) => id)]);
    const views = [...ids].map((id) => [id, this.book.view(id)]);
    return new Map(views.filter(([, document]) => document));
  }

  sync() {
    return this.book.sync();
  }

  close() {
    return this.road.close();
  }
}
