// A backup is put back, and phones hold what is newer than all there is: they begin anew, and lose nothing that they had not sent.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { HandPhone, MelonPhone, RxPhone } from './lib/devices.js';
import { ANNA, LEAD, SOFIA, onBoth, until } from './lib/service.js';
import { Desk, assertHolds, newId, shouldHold } from './lib/team.js';

onBoth('phones that are ahead of a restored database', (service) => {
  test('hold what there is, and what they had not sent', async (context) => {
    const phones = [await RxPhone.of(service(), SOFIA), await MelonPhone.of(service(), SOFIA), await HandPhone.of(service(), SOFIA)];
    context.after(() => Promise.all(phones.map((phone) => phone.close())));
    const [rx] = phones;
    const [{ id: clientId }] = await (await Desk.of(service(), SOFIA)).clients();
    const note = async (phone, body) => {
      const id = newId('notes');
      await phone.insert('notes', { id, clientId, body, isPinned: false });
      return id;
    };
    const there = async (id) => (await (await Desk.of(service(), LEAD)).notes(clientId)).some((note) => note.id === id);
    const old = await note(rx, 'in the backup');
    await until('it is there', () => there(old));
    for (const phone of phones) await phone.sync();
    await service().run('backup', 'backup');
    const lost = await note(rx, 'newer than the backup');
    await until('it is there', () => there(lost));
    for (const phone of phones) {
      await phone.sync();
      assert.ok((await phone.documents()).has(lost));
    }

    for (const phone of phones) phone.road.isOpen = false;
    const unsent = await Promise.all(phones.map((phone) => note(phone, `not sent by ${phone.constructor.name}`)));
    await Promise.all(rx.replications.map((replication) => replication.cancel()));
    await service().without('restore', 'backup', '--replace');

    // Everybody signs in again.
    for (const phone of phones) {
      phone.road.isOpen = true;
      phone.session = await service().session(SOFIA, { url: phone.road.url });
      if (phone.book) phone.book.graphql = phone.session.graphql;
    }
    rx.refusals = [];
    rx.start();
    await until('what RxDB had not sent is there', () => there(unsent[0]));
    await rx.beginAnew();
    for (const phone of [...phones, ...phones]) await phone.sync();
    const should = await shouldHold({ session: (...whose) => service().session(...whose) }, SOFIA);
    assert.ok(should.has(old) && !should.has(lost));
    for (const id of unsent) assert.ok(should.has(id), `${should.get(id)?.body}`);
    for (const phone of phones) assertHolds(await phone.documents(), should, phone.constructor.name);
    const annas = await shouldHold({ session: (...whose) => service().session(...whose) }, ANNA);
    assert.ok(!annas.has(old) && !unsent.some((id) => annas.has(id)));
    assert.deepEqual(service().faults(), []);
  });
});
