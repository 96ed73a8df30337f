// What the guide shows is what is tested here.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { addRxPlugin, createRxDatabase } from 'rxdb';
import { RxDBDevModePlugin, disableWarnings } from 'rxdb/plugins/dev-mode';
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory';
import { wrappedValidateAjvStorage } from 'rxdb/plugins/validate-ajv';

const here = fileURLToPath(new URL('.', import.meta.url));
const top = path.join(here, '..', '..');

test('the README shows the files of the guide as they are', () => {
  const readme = fs.readFileSync(path.join(top, 'README.md'), 'utf8');
  const files = fs.readdirSync(path.join(here, 'guide'));
  assert.ok(files.length >= 6, files.join(', '));
  for (const file of files) {
    const code = fs.readFileSync(path.join(here, 'guide', file), 'utf8');
    assert.ok(readme.includes(`\`\`\`js\n${code}\`\`\`\n`), `README.md does not show tests/js/guide/${file} as it is`);
  }
});

test('RxDB can hold every field of every kind of document', async (context) => {
  disableWarnings();
  addRxPlugin(RxDBDevModePlugin);
  const sdl = fs.readFileSync(path.join(top, 'src/graphql/schema.graphql'), 'utf8');
  const types = [...sdl.matchAll(/^type (\w+)Doc \{\n(.*?)^\}/gms)].map(([, name, body]) => [name, [...body.matchAll(/^\t(\w+)[(:]/gm)].map(([, field]) => field)]);
  const held = types.filter(([, fields]) => fields.includes('deleted'));
  assert.ok(held.length >= 12, held.map(([name]) => name).join(', '));
  const storage = wrappedValidateAjvStorage({ storage: getRxStorageMemory() });
  const database = await createRxDatabase({ name: 'all', storage, multiInstance: false });
  context.after(() => database.close());
  const collections = held.map(([name, fields]) => {
    // `deleted` is its own to RxDB: `deletedField` says so.
    const own = fields.filter((field) => !['id', 'deleted'].includes(field));
    const properties = { id: { type: 'string', maxLength: 60 }, ...Object.fromEntries(own.map((field) => [field, { type: ['string', 'null'] }])) };
    return [name.toLowerCase(), { schema: { version: 0, primaryKey: 'id', type: 'object', properties, required: ['id'] } }];
  });
  await database.addCollections(Object.fromEntries(collections));
});
