import { getRxStorageMemory } from 'rxdb/plugins/storage-memory'; // on a phone, one that keeps what it is given
import { open, replicate } from './rxdb.js';
import { signIn } from './session.js';

const { URL: url = 'http://127.0.0.1:8080', EMAIL = 'sofia.rossi@clientele.example', PASSWORD = 'clientele-demo' } = process.env;
const session = await signIn(url, EMAIL, PASSWORD, 'My phone');
const database = await open('book_of_sofia', getRxStorageMemory());
const clients = replicate(database, 'clients', url, session);
const contacts = replicate(database, 'contacts', url, session);
contacts.conflict$.subscribe(({ input: { assumedMasterState, newDocumentState, realMasterState } }) => {
  console.log('base', assumedMasterState, 'mine', newDocumentState, 'theirs', realMasterState);
});
await clients.awaitInitialReplication();

const [client] = await database.clients.find().exec();
await database.contacts.insert({ id: `contact_${crypto.randomUUID()}`, clientId: client.id, name: 'Maria' });
await contacts.awaitInSync(); // with a network; it would be sent later without one
console.log(`Maria is at ${client.name}`);
await database.close();
