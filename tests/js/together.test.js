// Two reps with three phones: two with RxDB, one with WatermelonDB. They are offline and online in turn, change the same
// things, and a client changes hands meanwhile. In the end each phone holds what the service says its owner sees.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { MelonPhone, RxPhone } from './lib/devices.js';
import { ANNA, LEAD, SOFIA, onBoth, until } from './lib/service.js';
import { Desk, assertHolds, differences, newId, shouldHold } from './lib/team.js';

const { CLIENTELE_JS_STEPS: STEPS = 120, CLIENTELE_JS_SEED: SEED = 20261 } = process.env;

onBoth('phones of two reps', (service) => {
  let sofia, anna, melon, phones, lead, hers, others, annaId, sofiaId;

  // Until all phones hold what they should.
  async function settle() {
    const should = async (how) => ({ [SOFIA]: await shouldHold(service(), SOFIA, how), [ANNA]: await shouldHold(service(), ANNA, how) });
    for (let round = 0; round < 15; round += 1) {
      for (const phone of phones) await phone.sync();
      const now = await should({ isQuick: true });
      const all = await Promise.all(phones.map(async (phone) => differences(await phone.documents(), now[phone.email]).length === 0));
      if (all.every((equal) => equal)) break;
    }
    const last = await should();
    for (const phone of phones) assertHolds(await phone.documents(), last[phone.email], `${phone.constructor.name} of ${phone.email}`);
    assert.equal(await melon.hasUnsynced(), false);
    return last;
  }

  before(async () => {
    sofia = Object.assign(await RxPhone.of(service(), SOFIA), { email: SOFIA });
    anna = Object.assign(await RxPhone.of(service(), ANNA), { email: ANNA });
    melon = Object.assign(await MelonPhone.of(service(), SOFIA), { email: SOFIA });
    phones = [sofia, anna, melon];
    lead = await Desk.of(service(), LEAD);
    const desks = [await Desk.of(service(), SOFIA), await Desk.of(service(), ANNA)];
    [sofiaId, annaId] = await Promise.all(desks.map((desk) => desk.whoAmI()));
    [hers, others] = (await Promise.all(desks.map((desk) => desk.clients()))).map((all) => all.filter(({ contacts }) => contacts.length > 0));
  });

  after(async () => {
    for (const phone of phones ?? []) await phone.close();
  });

  test('each begins with its own book, and nothing of the other', async () => {
    const should = await settle();
    assert.ok(should[SOFIA].has(hers[0].id) && should[ANNA].has(others[0].id));
    assert.ok(!should[SOFIA].has(others[0].id) && !should[ANNA].has(hers[0].id));
    assert.ok((await sofia.documents()).size > 100);
  });

  test('offline and online in turn, with a hand-over in the middle and edits of the same', async () => {
    const [same, both, lost, kept] = hers;
    const [gained, own] = others;
    const contact = ({ contacts: [{ id }] }) => id;
    const [note, order, hidden] = [newId('notes'), newId('orders'), newId('notes')];
    const productOf = async (phone, { currency }) =>
      [...(await phone.documents()).values()].find(({ sku, isActive, listPrice }) => sku && isActive && listPrice.currency === currency).id;

    // Sofia's first phone and Anna's are offline; her second has not synchronized.
    sofia.road.isOpen = false;
    anna.road.isOpen = false;
    await sofia.edit(contact(same), { title: 'by RxDB' });
    await sofia.edit(contact(both), { note: 'by RxDB' });
    await sofia.edit(contact(lost), { title: 'lost by RxDB' });
    await sofia.insert('notes', { id: note, clientId: kept.id, body: 'written offline', isPinned: false });
    await sofia.insert('orders', { id: order, clientId: kept.id, status: 'SUBMITTED', lines: [{ productId: await productOf(sofia, kept), quantity: 2 }] });
    await melon.edit(contact(same), { title: 'by WatermelonDB' });
    await melon.edit(contact(both), { title: 'by WatermelonDB' });
    await melon.edit(contact(lost), { title: 'lost by WatermelonDB' });
    await melon.insert('notes', { id: hidden, clientId: lost.id, body: 'for a client that is lost', isPinned: false });
    await anna.edit(contact(own), { title: 'by Anna' });
    // Meanwhile, at the office.
    await lead.handOver([lost.id], annaId);
    await lead.handOver([gained.id], sofiaId);
    await lead.changeContact(contact(own), { note: 'by the office' });

    // Her second phone first: one has the title, the other the note.
    await melon.sync();
    assert.equal((await lead.contact(contact(same))).title, 'by WatermelonDB');
    anna.road.isOpen = true;
    await until('the client is on the phone of the other rep', async () => {
      await anna.sync();
      return (await anna.documents()).has(lost.id);
    });
    await anna.edit(contact(lost), { title: 'by the new owner' });
    sofia.road.isOpen = true;
    const should = await settle();

    // What two changed, the first has; what one changed each, both.
    const of = (id) => should[SOFIA].get(id);
    assert.equal(of(contact(same)).title, 'by WatermelonDB');
    assert.deepEqual([of(contact(both)).title, of(contact(both)).note], ['by WatermelonDB', 'by RxDB']);
    assert.equal(of(note).body, 'written offline');
    assert.equal(of(order).lines[0].quantity, 2);
    const annas = should[ANNA].get(contact(own));
    assert.deepEqual([annas.title, annas.note], ['by Anna', 'by the office']);
    // The app was shown base, mine and theirs.
    const shown = sofia.conflicts.find(({ newDocumentState }) => newDocumentState.id === contact(same));
    assert.notEqual(shown.assumedMasterState.title, 'by RxDB');
    assert.equal(shown.newDocumentState.title, 'by RxDB');
    assert.equal(shown.realMasterState.title, 'by WatermelonDB');
    // Nobody keeps what they lost, and nothing of what they wrote there went in.
    for (const phone of [sofia, melon]) {
      const documents = [...(await phone.documents()).values()];
      assert.ok(!documents.some(({ id, clientId }) => id === lost.id || clientId === lost.id));
      assert.ok(documents.some(({ id }) => id === gained.id));
    }
    assert.ok(![...(await anna.documents()).values()].some(({ id, clientId }) => id === gained.id || clientId === gained.id));
    assert.equal(should[ANNA].get(contact(lost)).title, 'by the new owner');
    assert.ok(!should[ANNA].has(hidden) && !should[SOFIA].has(hidden));
    // It is kept for her, and for her alone.
    const issues = [...should[SOFIA].values()].filter(({ id }) => id.startsWith('sync_issue_'));
    const mine = issues.map(({ code, payload }) => [code, JSON.parse(payload).mine]);
    assert.ok(mine.some(([code, { title }]) => code === 'NOT_VISIBLE' && title === 'lost by RxDB'), JSON.stringify(mine));
    assert.ok(mine.some(([code, { title }]) => code === 'NOT_VISIBLE' && title === 'lost by WatermelonDB'));
    assert.ok(mine.some(([code, { body }]) => code === 'NOT_VISIBLE' && body === 'for a client that is lost'));
    assert.ok(mine.some(([code, { title }]) => code === 'STALE_FIELDS' && title === 'by RxDB'));
    assert.ok(![...should[ANNA].keys()].some((id) => id.startsWith('sync_issue_')));
  });

  test('WatermelonDB shows a conflict with base, mine and theirs, and takes its own writes for none', async () => {
    const [, , , , { contacts: [{ id }] }] = hers;
    const { title: base } = (await melon.documents()).get(id);
    await melon.edit(id, { title: 'mine', note: 'mine too' });
    await lead.changeContact(id, { title: 'theirs' });
    await melon.sync();
    assert.deepEqual(melon.conflicts.filter((conflict) => conflict.id === id), [{ kind: 'contacts', id, field: 'title', base, mine: 'mine', theirs: 'theirs' }]);
    let now = await lead.contact(id);
    assert.deepEqual([now.title, now.note], ['theirs', 'mine too']);
    // What it pushed itself comes back while the person has gone on writing, after an answer that got lost, too.
    await melon.edit(id, { title: 'first' });
    await melon.sync();
    await melon.edit(id, { title: 'second' });
    melon.road.loseNext('mutation', 1);
    await assert.rejects(melon.sync());
    await melon.edit(id, { title: 'third' });
    await melon.sync();
    assert.equal(melon.conflicts.filter((conflict) => conflict.id === id).length, 1);
    now = await lead.contact(id);
    assert.deepEqual([now.title, now.note], ['third', 'mine too']);
    await settle();
  });

  test('what is deleted on one phone goes from the others', async () => {
    const [one, other] = [newId('notes'), newId('notes')];
    const { id: clientId } = hers[5];
    await sofia.insert('notes', { id: one, clientId, body: 'one', isPinned: false });
    await melon.insert('notes', { id: other, clientId, body: 'other', isPinned: false });
    const before = await settle();
    assert.ok(before[SOFIA].has(one) && before[SOFIA].has(other));
    await sofia.remove(other);
    await melon.remove(one);
    const after = await settle();
    assert.ok(!after[SOFIA].has(one) && !after[SOFIA].has(other));
    assert.deepEqual(await lead.notes(clientId).then((all) => all.filter(({ body }) => ['one', 'other'].includes(body))), []);
  });

  test('what somebody may not change or delete comes back', async () => {
    const { id: clientId } = hers[5];
    const [one, other] = [await lead.writeNote(clientId, 'by the lead'), await lead.writeNote(clientId, 'by the lead, too')];
    await settle();
    await sofia.remove(one);
    await melon.remove(other);
    await settle();
    await sofia.edit(one, { body: 'not hers to say' });
    await melon.edit(other, { body: 'not hers to say' });
    const should = await settle();
    assert.deepEqual([should[SOFIA].get(one).body, should[SOFIA].get(other).body], ['by the lead', 'by the lead, too']);
    assert.deepEqual(melon.refused.filter(({ id }) => id === other).map(({ kind }) => kind), ['notes']);
    const issues = [...should[SOFIA].values()].filter(({ documentId }) => [one, other].includes(documentId));
    assert.deepEqual(issues.map(({ payload }) => JSON.parse(payload).mine.body ?? 'deleted').sort(), ['deleted', 'not hers to say', 'not hers to say']);
  });

  test('whatever they do at random, they end equal', async () => {
    // A small generator: the same seed, the same story.
    let state = Number(SEED);
    const random = (below) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const clients = [...hers.slice(6, 10), ...others.slice(6, 10)];
    let changes = 0;
    for (let step = 0; step < STEPS; step += 1) {
      const phone = phones[random(3)];
      const { id: clientId } = clients[random(clients.length)];
      const documents = await phone.documents();
      const there = [...documents.values()].filter((one) => one.clientId === clientId);
      const contacts = there.filter(({ id }) => id.startsWith('contact_'));
      const notes = there.filter(({ id }) => id.startsWith('note_'));
      const action = random(12);
      if (action === 0) await lead.handOver([clientId], random(2) ? sofiaId : annaId).catch(() => {});
      else if (action === 1) phone.road.isOpen = !phone.road.isOpen;
      else if (action === 2) await (phone.road.isOpen && phone !== melon ? phone.sync() : null);
      else if (action === 3) await (melon.road.isOpen ? melon.sync() : null);
      else if (contacts.length === 0) continue;
      else if (action < 6) await phone.edit(contacts[0].id, { title: `title ${step}` });
      else if (action < 8) await phone.edit(contacts[0].id, { note: `note ${step}` });
      else if (action < 10) await phone.insert('notes', { id: newId('notes'), clientId, body: `body ${step}`, isPinned: false });
      else if (notes.length > 0 && action === 10) await phone.edit(notes[random(notes.length)].id, { body: `changed ${step}` });
      else if (notes.length > 0) await phone.remove(notes[random(notes.length)].id);
      changes += 1;
    }
    assert.ok(changes > STEPS / 3);
    for (const phone of phones) phone.road.isOpen = true;
    const should = await settle();
    for (const { id } of clients) assert.ok(should[SOFIA].has(id) !== should[ANNA].has(id), 'one of them has it, not both');
  });

  test('the service was at fault nowhere, and said nothing that RxDB would try again for ever', async () => {
    for (const phone of [sofia, anna]) assert.deepEqual(phone.refusals, []);
    assert.deepEqual(service().faults(), []);
  });
});
