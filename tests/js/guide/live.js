import { createClient } from 'graphql-ws';
import WebSocket from 'ws'; // in a browser leave this and webSocketImpl out

const client = createClient({
  url: process.env.URL ?? 'ws://127.0.0.1:8080/graphql',
  webSocketImpl: WebSocket,
  // Asked for again at each connect: answer a fresh token here.
  connectionParams: async () => ({ Authorization: `Bearer ${process.env.TOKEN}` }),
  retryAttempts: Infinity,
  shouldRetry: () => true, // faults of ours (4400, 4401, 4409, 4429) are not tried again in any case
});

const query = 'subscription { clientChanged { ids isResync clients { name } } }';
for await (const { data, errors } of client.iterate({ query })) {
  if (errors) console.error(errors);
  else if (data.clientChanged.isResync) console.log('read everything again');
  else console.log('changed:', data.clientChanged.clients.map(({ name }) => name).join(', '));
}
