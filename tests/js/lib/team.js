// What people do at their desks, and what the service says a rep sees.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';

import { kinds, selection } from '../guide/kinds.js';

const held = Object.keys(kinds);
const list = held.map((kind) => `${kind} { ${selection(kind)} }`).join(' ');

/** Somebody at a desk, by the ordinary queries and mutations. */
export class Desk {
  static async of(service, email) {
    const desk = new Desk();
    desk.session = await service.session(email, { device: 'desk' });
    return desk;
  }

  ask(query, variables) {
    return this.session.graphql(query, variables);
  }

  /** Clients of somebody with contacts, by name. */
  async clients() {
    const query = '{ clients(first: 60, orderBy: NAME_ASC) { nodes { id name currency owner { id } contacts(first: 3) { nodes { id name version } } } } }';
    return (await this.ask(query)).clients.nodes.map((client) => ({ ...client, contacts: client.contacts.nodes }));
  }

  async whoAmI() {
    return (await this.ask('{ viewer { user { id } } }')).viewer.user.id;
  }

  async handOver(clients, toUserId) {
    const input = { clientIds: clients, toUserId };
    await this.ask('mutation($input: ClientHandOverInput!) { clientHandOver(input: $input) { clientCount } }', { input });
  }

  async contact(id) {
    return (await this.ask('query($id: ID!) { contact(id: $id) { id version name title note } }', { id })).contact;
  }

  async changeContact(id, patch) {
    const { version } = await this.contact(id);
    const input = { id, version, ...patch };
    await this.ask('mutation($input: ContactUpdateInput!) { contactUpdate(input: $input) { contact { version } } }', { input });
  }

  async archiveContact(id) {
    const { version } = await this.contact(id);
    const input = { id, version };
    await this.ask('mutation($input: ContactVersionInput!) { contactArchive(input: $input) { contact { version } } }', { input });
  }

  async writeNote(clientId, body) {
    const input = { clientId, body };
    const made = await this.ask('mutation($input: NoteCreateInput!) { noteCreate(input: $input) { note { id } } }', { input });
    return made.noteCreate.note.id;
  }

  /** Orders of a client. */
  async orders(clientId) {
    const query = 'query($id: ID!) { client(id: $id) { orders(first: 100) { nodes { id status note lines { product { id } quantity } } } } }';
    return (await this.ask(query, { id: clientId })).client.orders.nodes;
  }

  /** Notes on a client. */
  async notes(clientId) {
    const query = 'query($id: ID!) { client(id: $id) { notes(first: 100) { nodes { id body } } } }';
    return (await this.ask(query, { id: clientId })).client.notes.nodes;
  }
}

const checking = new WeakMap();

/** All that somebody's phone should hold, by id: from a device that has nothing, checked against the manifest unless there is no time. */
export async function shouldHold(service, email, { isQuick = false } = {}) {
  if (!checking.has(service)) checking.set(service, new Map());
  const sessions = checking.get(service);
  if (!sessions.has(email)) sessions.set(email, await service.session(email, { device: 'another' }));
  const { graphql } = sessions.get(email);
  const documents = new Map();
  let page;
  do {
    const input = { schemaVersion: 1, collections: held.map(collectionOf), checkpoint: page?.checkpoint };
    const query = `query($input: SyncPullInput!) { sync(input: $input) { hasMore checkpoint { token } ${list} } }`;
    page = (await graphql(query, { input })).sync;
    for (const document of held.flatMap((kind) => page[kind])) documents.set(document.id, document);
  } while (page.hasMore);
  for (const kind of isQuick ? [] : held) {
    const query = 'query($of: SyncCollection!) { syncManifest(collection: $of, limit: 5000) { hasMore rows { id version } } }';
    const { rows, hasMore } = (await graphql(query, { of: collectionOf(kind) })).syncManifest;
    assert.equal(hasMore, false);
    const pulled = [...documents.values()].filter(({ id }) => id.startsWith(`${prefixOf(kind)}_`));
    const versions = (all) => Object.fromEntries(all.map(({ id, version }) => [id, version]));
    assert.deepEqual(versions(pulled), versions(rows), `the manifest of ${kind}`);
  }
  return documents;
}

/** Where what a device holds differs from what it should hold. */
export function differences(documents, should) {
  const found = [];
  for (const [id, document] of documents) if (!should.has(id)) found.push({ id, is: document, should: 'not be there' });
  for (const [id, document] of should) {
    if (!isDeepStrictEqual(documents.get(id), document)) found.push({ id, is: documents.get(id) ?? 'missing', should: document });
  }
  return found;
}

/** Fails unless a device holds just what `should` says. */
export function assertHolds(documents, should, what) {
  const found = differences(documents, should);
  assert.ok(found.length === 0, `${what}: ${found.length} documents differ: ${JSON.stringify(found.slice(0, 5), null, 1)}`);
}

export const prefixOf = (kind) => (kind === 'syncIssues' ? 'sync_issue' : kind === 'addresses' ? 'address' : kind.slice(0, -1));
export const kindOf = (id) => held.find((kind) => id.slice(0, id.lastIndexOf('_')) === prefixOf(kind));
export const collectionOf = (kind) => kind.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
export const newId = (kind) => `${prefixOf(kind)}_${randomUUID()}`;
export const deviceId = () => `device_${randomUUID()}`;
