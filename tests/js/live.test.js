// What phones hear over a WebSocket, by graphql-ws.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { RxPhone } from './lib/devices.js';
import { ANNA, LEAD, SOFIA, onBoth, until } from './lib/service.js';
import { Desk, newId } from './lib/team.js';

onBoth('what is heard at once', (service) => {
  let lead, hers, others;

  before(async () => {
    lead = await Desk.of(service(), LEAD);
    [hers, others] = await Promise.all([SOFIA, ANNA].map(async (email) => (await Desk.of(service(), email)).clients()));
  });

  const socket = () => `${service().url.replace('http', 'ws')}/graphql`;
  const rename = async (id, name) => {
    const { version } = (await lead.ask('query($id: ID!) { client(id: $id) { version } }', { id })).client;
    await lead.ask('mutation($input: ClientUpdateInput!) { clientUpdate(input: $input) { client { id } } }', { input: { id, version, name } });
  };

  test('the example of the guide tells which of her clients changed, and of nobody else’s', async (context) => {
    const { token } = await service().session(SOFIA);
    const program = spawn(process.execPath, ['guide/live.js'], {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      env: { ...process.env, URL: socket(), TOKEN: await token() },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    context.after(() => program.kill());
    const lines = [];
    createInterface({ input: program.stdout }).on('line', (line) => lines.push(line));
    await until('it begins', () => lines.includes('read everything again'));
    await rename(others[0].id, 'Of the other rep');
    await rename(hers[0].id, 'Hers, renamed');
    await until('it tells', () => lines.some((line) => line === 'changed: Hers, renamed'));
    await sleep(500);
    assert.ok(!lines.some((line) => line.includes('Of the other rep')), lines.join('\n'));
  });

  test('who loses a client hears no more of it, and who gains it does', async (context) => {
    const [sofia, anna] = await Promise.all(
      [SOFIA, ANNA].map(async (email) => {
        const { token } = await service().session(email);
        const client = createClient({
          url: socket(),
          webSocketImpl: WebSocket,
          connectionParams: async () => ({ Authorization: `Bearer ${await token()}` }),
        });
        context.after(() => client.dispose());
        const heard = [];
        const query = 'subscription { clientChanged { ids isResync } }';
        client.subscribe({ query }, { next: ({ data }) => heard.push(data.clientChanged), error: (error) => heard.push({ error }), complete() {} });
        await until('it begins', () => heard.some(({ isResync }) => isResync));
        return heard;
      }),
    );
    const { id } = hers[1];
    await lead.handOver([id], await (await Desk.of(service(), ANNA)).whoAmI());
    await until('the new owner hears', () => anna.some(({ ids }) => ids?.includes(id)));
    await sleep(500);
    const before = sofia.length;
    await rename(id, 'Handed over');
    await until('the new owner hears again', () => anna.filter(({ ids }) => ids?.includes(id)).length > 1);
    await sleep(500);
    assert.ok(!sofia.slice(before).some(({ ids }) => ids?.includes(id)));
    assert.ok(![...sofia, ...anna].some(({ error }) => error));
  });

  test('a phone with RxDB pulls when it is poked', async (context) => {
    const phone = await RxPhone.of(service(), SOFIA, { isLive: true });
    context.after(() => phone.close());
    const body = newId('notes');
    await lead.writeNote(others[2].id, 'for another');
    await lead.writeNote(hers[2].id, body);
    await until('the note is there', async () => [...(await phone.documents()).values()].some((one) => one.body === body));
    assert.deepEqual(phone.refusals, []);
    // RxDB throws, where nobody can catch it, when it is closed while it fetches.
    await phone.sync();
  });
});
