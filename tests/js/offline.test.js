// A rep with a client that is written by hand goes offline, and much happens meanwhile: one push and one pull put it right.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { HandPhone } from './lib/devices.js';
import { ANNA, LEAD, SOFIA, onBoth } from './lib/service.js';
import { Desk, assertHolds, newId, shouldHold } from './lib/team.js';

onBoth('a rep who was offline', (service) => {
  test('one push and one pull: everything right, nothing twice, the conflict shown with base, mine and theirs', async (context) => {
    const phone = await HandPhone.of(service(), SOFIA);
    const other = await HandPhone.of(service(), ANNA);
    context.after(() => Promise.all([phone.close(), other.close()]));
    const lead = await Desk.of(service(), LEAD);
    const desks = [await Desk.of(service(), SOFIA), await Desk.of(service(), ANNA)];
    const [sofiaId, annaId] = await Promise.all(desks.map((desk) => desk.whoAmI()));
    const [hers, others] = (await Promise.all(desks.map((desk) => desk.clients()))).map((all) => all.filter(({ contacts }) => contacts.length > 0));
    const [buyer, lost] = hers;
    const [gained] = others;
    const contact = buyer.contacts[0].id;
    const base = await lead.contact(contact);
    const before = await lead.orders(buyer.id);
    const product = [...(await phone.documents()).values()].find(({ sku, isActive, listPrice }) => sku && isActive && listPrice.currency === buyer.currency);

    // Offline.
    phone.road.isOpen = false;
    const client = newId('clients');
    await phone.insert('clients', { id: client, kind: 'ORGANIZATION', currency: buyer.currency, name: 'Met on the road' });
    const orders = [newId('orders'), newId('orders'), newId('orders')];
    for (const [at, of] of [buyer.id, buyer.id, client].entries()) {
      const lines = [{ productId: product.id, quantity: at + 1 }];
      await phone.insert('orders', { id: orders[at], clientId: of, status: 'SUBMITTED', note: `offline ${at}`, lines });
    }
    await phone.edit(contact, { title: 'mine', note: 'only mine' });
    await phone.edit(lost.contacts[0].id, { title: 'of one who is lost' });
    await assert.rejects(phone.sync());
    // What the person sees is what they did.
    const seen = await phone.documents();
    assert.equal(seen.get(contact).title, 'mine');
    assert.equal(seen.get(orders[2]).clientId, client);
    // Meanwhile.
    await lead.changeContact(contact, { title: 'theirs' });
    await lead.handOver([lost.id], annaId);
    await lead.handOver([gained.id], sofiaId);

    // Back. One push and one pull, whose answers both arrive.
    phone.road.isOpen = true;
    const passed = phone.road.passed.length;
    await phone.sync();
    const requests = phone.road.passed.slice(passed).map((body) => /^\{"query":"(query Pull|mutation Push)/.exec(body)?.[1]);
    assert.deepEqual(requests, ['mutation Push', 'query Pull']);
    const should = await shouldHold(service(), SOFIA);
    const held = await phone.documents();
    assertHolds(held, should, 'the phone');
    assert.deepEqual([phone.book.queue, phone.book.done], [[], []]);

    // Three orders, each once.
    const fresh = (await lead.orders(buyer.id)).filter(({ id }) => !before.some((one) => one.id === id));
    assert.deepEqual(fresh.map(({ id, note }) => [id, note]).sort(), [[orders[0], 'offline 0'], [orders[1], 'offline 1']].sort());
    assert.deepEqual((await lead.orders(client)).map(({ id, note }) => [id, note]), [[orders[2], 'offline 2']]);
    for (const id of orders) assert.notEqual(held.get(id).status, 'DRAFT');
    // One client went with all that hangs on it, one came.
    assert.ok(![...held.values()].some(({ id, clientId }) => id === lost.id || clientId === lost.id));
    assert.ok(held.has(gained.id) && held.has(gained.contacts[0].id));
    // The conflict.
    const problems = phone.book.problems();
    const conflict = problems.find(({ id }) => id === contact);
    assert.equal(conflict.code, 'STALE_FIELDS');
    assert.deepEqual(conflict.fields, ['title']);
    assert.equal(conflict.base.title ?? null, base.title);
    assert.deepEqual([conflict.mine.title, conflict.mine.note], ['mine', 'only mine']);
    assert.equal(conflict.theirs.title, 'theirs');
    assert.equal(held.get(contact).title, 'theirs');
    const refused = problems.find(({ id }) => id === lost.contacts[0].id);
    assert.deepEqual([refused.code, refused.mine.title], ['NOT_VISIBLE', 'of one who is lost']);
    assert.equal(problems.length, 2);
    // The rep decides, having seen both.
    await phone.edit(contact, { title: 'mine after all', note: 'only mine' });
    await phone.sync();
    const decided = await lead.contact(contact);
    assert.deepEqual([decided.title, decided.note], ['mine after all', 'only mine']);
    // Synchronizing again does nothing more.
    await phone.sync();
    assertHolds(await phone.documents(), await shouldHold(service(), SOFIA), 'the phone');

    // The other rep.
    await other.sync();
    const theirs = await other.documents();
    assertHolds(theirs, await shouldHold(service(), ANNA), 'the phone of the other');
    assert.ok(theirs.has(lost.id) && !theirs.has(gained.id) && !theirs.has(client));
    assert.notEqual(theirs.get(lost.contacts[0].id).title, 'of one who is lost');
    assert.ok(!orders.some((id) => theirs.has(id)));
    assert.deepEqual(other.book.problems(), []);
    assert.deepEqual(service().faults(), []);
  });

  test('what hangs on something that was refused is refused with it, and what does not is done', async (context) => {
    const phone = await HandPhone.of(service(), SOFIA);
    context.after(() => phone.close());
    const desk = await Desk.of(service(), SOFIA);
    const [{ id: clientId }] = await desk.clients();
    const [nameless, beneath, beside] = [newId('clients'), newId('notes'), newId('notes')];
    await phone.insert('clients', { id: nameless, kind: 'ORGANIZATION', currency: 'EUR', name: '' });
    await phone.insert('notes', { id: beneath, clientId: nameless, body: 'beneath' });
    await phone.insert('notes', { id: beside, clientId, body: 'beside' });
    await phone.sync();
    assert.deepEqual(phone.book.queue, []);
    const held = await phone.documents();
    assertHolds(held, await shouldHold(service(), SOFIA), 'the phone');
    assert.ok(!held.has(nameless) && !held.has(beneath));
    assert.equal(held.get(beside).body, 'beside');
    const problems = new Map(phone.book.problems().map((problem) => [problem.id, problem]));
    assert.equal(problems.get(nameless).mine.currency, 'EUR');
    assert.equal(problems.get(beneath).mine.body, 'beneath');
    const theirs = await shouldHold(service(), ANNA);
    assert.ok(!theirs.has(beside));
    assert.deepEqual(service().faults(), []);
  });
});
