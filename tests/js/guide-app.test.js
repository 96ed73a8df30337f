// The example of the guide, run as it stands.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { ANNA, SOFIA, onBoth } from './lib/service.js';
import { Desk } from './lib/team.js';

const run = promisify(execFile);
const cwd = fileURLToPath(new URL('.', import.meta.url));

onBoth('the example with RxDB', (service) => {
  test('puts a contact on the service', async () => {
    const { stdout } = await run(process.execPath, ['guide/rxdb-app.js'], { cwd, env: { ...process.env, URL: service().url } });
    const [, name] = /^Maria is at (.+)$/m.exec(stdout);
    const maria = async (email) => {
      const desk = await Desk.of(service(), email);
      const query = '{ contacts(first: 20, filter: { search: "Maria" }) { nodes { name client { name } } } }';
      return (await desk.ask(query)).contacts.nodes.filter((contact) => contact.name === 'Maria').map(({ client }) => client.name);
    };
    assert.deepEqual(await maria(SOFIA), [name]);
    assert.deepEqual(await maria(ANNA), []);
  });
});
