// What the app holds of the book: the fields of each kind of document, as many as it has use for.
const text = { type: 'string' };
const number = { type: 'number' };
const flag = { type: 'boolean' };
const list = (of) => ({ type: 'array', of });
const object = (of) => ({ type: 'object', of });
const money = object('amount currency');

export const kinds = {
  clients: { doc: 'Client', fields: { kind: text, name: text, currency: text, phone: text, email: text, tags: list(), version: number } },
  contacts: { doc: 'Contact', fields: { clientId: text, name: text, title: text, isKey: flag, points: list('kind value label isPreferred'), note: text, version: number } },
  notes: { doc: 'Note', fields: { clientId: text, body: text, isPinned: flag, version: number } },
  orders: { doc: 'Order', fields: { clientId: text, number: text, status: text, placedOn: text, note: text, lines: list('productId quantity unitPrice { amount currency } discountBp'), total: money, version: number } },
  payments: { doc: 'Payment', fields: { orderId: text, amount: money, method: text, paidOn: text, voidReason: text, version: number } },
  // These are only read.
  products: { fields: { sku: text, name: text, unit: text, listPrice: money, isActive: flag, version: number } },
  syncIssues: { fields: { kind: text, documentId: text, code: text, message: text, payload: text, version: number } },
};

// The fields of a kind, as a selection of GraphQL.
export const selection = (kind) =>
  ['id', ...Object.entries(kinds[kind].fields).map(([name, { of }]) => (of ? `${name} { ${of} }` : name))].join(' ');
