// The clients of the guide as somebody begins with them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { HandPhone, MelonPhone, RxPhone } from './lib/devices.js';
import { ANNA, LEAD, SOFIA, onBoth } from './lib/service.js';
import { Desk, assertHolds, shouldHold } from './lib/team.js';

const run = promisify(execFile);
const cwd = fileURLToPath(new URL('.', import.meta.url));

onBoth('somebody who begins', (service) => {
  test('the example with RxDB puts a contact on the service', async () => {
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

  test('a book of a whole team comes page by page', async (context) => {
    const should = await shouldHold(service(), LEAD);
    assert.ok(should.size > 1000, `${should.size} documents`);
    for (const Phone of [HandPhone, MelonPhone, RxPhone]) {
      const begun = performance.now();
      const phone = await Phone.of(service(), LEAD);
      context.diagnostic(`${Phone.name}: ${should.size} documents in ${Math.round(performance.now() - begun)} ms`);
      assertHolds(await phone.documents(), should, Phone.name);
      const pages = phone.road.passed.filter((body) => body.includes(Phone === RxPhone ? 'pullOrders' : 'sync('));
      assert.ok(pages.length > 1, `${pages.length} pages`);
      await phone.close();
      assert.deepEqual(phone.refusals ?? [], []);
    }
    assert.deepEqual(service().faults(), []);
  });
});
