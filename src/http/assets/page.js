// The explorer's own script: signs in, keeps the token fresh, and gives GraphiQL a way to send requests.
'use strict';

(() => {
  const config = JSON.parse(document.getElementById('config').textContent);
  const KEY = 'clientele.session';
  const element = (id) => document.getElementById(id);
  const status = element('status');
  const form = element('sign-in');
  const accounts = element('accounts');
  const signOutButton = element('sign-out');

  let session = read();
  let refreshing = null;
  let timer = null;

  function read() {
    try {
      return JSON.parse(sessionStorage.getItem(KEY));
    } catch {
      return null;
    }
  }

  function keep(answer) {
    session = answer && {
      accessToken: answer.accessToken,
      refreshToken: answer.refreshToken,
      expiresAt: Date.now() + answer.expiresInSeconds * 1000,
      user: answer.user,
    };
    if (session) sessionStorage.setItem(KEY, JSON.stringify(session));
    else sessionStorage.removeItem(KEY);
    schedule();
  }

  // Refreshes half a minute before the token ends, or at three quarters of a very short life.
  function schedule() {
    clearTimeout(timer);
    if (!session) return;
    const left = session.expiresAt - Date.now();
    timer = setTimeout(() => refresh().then(show), Math.max(Math.min(left - 30000, left * 0.75), 1000));
  }

  async function post(path, body, token) {
    const headers = { 'Content-Type': 'application/json' };
    if (token) headers.Authorization = `Bearer ${token}`;
    const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
    const text = await response.text();
    let answer = null;
    try {
      answer = text ? JSON.parse(text) : null;
    } catch {
      answer = null;
    }
    return { ok: response.ok, status: response.status, answer };
  }

  function reason(result) {
    const answer = result.answer || {};
    const error = (answer.errors && answer.errors[0]) || answer;
    return error.message || `the server answered ${result.status}`;
  }

  // One refresh at a time: a refresh token is good for one use.
  function refresh() {
    refreshing = refreshing || (async () => {
      const before = session;
      try {
        const result = await post('/auth/refresh', { refreshToken: before.refreshToken });
        if (session !== before) return;
        if (result.ok) keep({ user: before.user, ...result.answer });
        else if (result.status >= 400 && result.status < 500 && result.status !== 429) keep(null);
        else schedule();
      } catch {
        schedule();
      } finally {
        refreshing = null;
      }
    })();
    return refreshing;
  }

  async function signIn(email, password) {
    say('Signing in…');
    try {
      const result = await post('/auth/sign-in', { email, password, deviceName: 'Explorer' });
      if (!result.ok) return say(`Not signed in: ${reason(result)}`, true);
      keep(result.answer);
      form.reset();
      show();
    } catch (error) {
      say(`Not signed in: ${error.message}`, true);
    }
  }

  async function signOut() {
    const token = session && session.accessToken;
    keep(null);
    show();
    if (token) await post('/auth/sign-out', {}, token).catch(() => {});
  }

  async function send(params, options) {
    const headers = { ...(options && options.headers) };
    headers['Content-Type'] = 'application/json';
    headers.Accept = 'application/graphql-response+json, application/json;q=0.9';
    if (session) headers.Authorization = `Bearer ${session.accessToken}`;
    return fetch('/graphql', { method: 'POST', headers, body: JSON.stringify(params) });
  }

  async function fetcher(params, options) {
    if (refreshing) await refreshing;
    let response = await send(params, options);
    if (response.status === 401 && session) {
      await refresh();
      show();
      if (session) response = await send(params, options);
    }
    const text = await response.text();
    try {
      return JSON.parse(text);
    } catch {
      return { errors: [{ message: text || `the server answered ${response.status}` }] };
    }
  }

  // A subscription, over a socket of its own (graphql-transport-ws), as an observable.
  function follow(params) {
    return {
      subscribe(observer) {
        const address = new URL('/graphql', location.href);
        address.protocol = address.protocol.replace('http', 'ws');
        const socket = new WebSocket(address, 'graphql-transport-ws');
        const send = (message) => socket.send(JSON.stringify(message));
        socket.onopen = () => send({
          type: 'connection_init',
          payload: session ? { Authorization: `Bearer ${session.accessToken}` } : {},
        });
        socket.onmessage = (event) => {
          const message = JSON.parse(event.data);
          if (message.type === 'connection_ack') send({ id: '1', type: 'subscribe', payload: params });
          else if (message.type === 'next') observer.next(message.payload);
          else if (message.type === 'error') {
            observer.next({ errors: message.payload });
            observer.complete();
          }
        };
        socket.onclose = (event) => {
          const why = event.reason || 'the connection was lost';
          if (event.code !== 1000) observer.next({ errors: [{ message: `The subscription ended: ${why} (${event.code})` }] });
          observer.complete();
        };
        return { unsubscribe: () => socket.close(1000) };
      },
    };
  }

  // Whether the operation that runs is a subscription.
  function isSubscription(params, options) {
    const definitions = (options && options.documentAST && options.documentAST.definitions) || [];
    const operations = definitions.filter((definition) => definition.kind === 'OperationDefinition');
    const named = operations.find((one) => one.name && one.name.value === params.operationName);
    const operation = named || (operations.length === 1 && operations[0]);
    return Boolean(operation) && operation.operation === 'subscription';
  }

  function say(text, failed) {
    status.textContent = text;
    status.classList.toggle('failed', Boolean(failed));
  }

  let shownFor;
  const root = ReactDOM.createRoot(element('editor'));

  function show() {
    form.hidden = Boolean(session);
    signOutButton.hidden = !session;
    if (session) {
      const { name, email, role } = session.user;
      say(`${name} (${email}), ${String(role).toLowerCase().replaceAll('_', ' ')}`);
    } else {
      say('Sign in to see the schema and the data.');
    }
    // Another person gets another GraphiQL: it reads the schema again and keeps no answer of the last one.
    const person = session ? session.user.id : null;
    if (shownFor === person) return;
    shownFor = person;
    root.render(React.createElement(GraphiQL, {
      key: String(person),
      fetcher: (params, options) => (isSubscription(params, options) ? follow(params) : fetcher(params, options)),
      schema: session ? undefined : null,
      defaultQuery: config.defaultQuery || undefined,
      defaultEditorToolsVisibility: 'variables',
      shouldPersistHeaders: false,
    }));
  }

  for (const [index, account] of config.accounts.entries()) {
    const option = document.createElement('option');
    option.value = String(index);
    option.textContent = account.label;
    accounts.append(option);
  }
  element('accounts-label').hidden = config.accounts.length === 0;

  accounts.addEventListener('change', () => {
    const account = config.accounts[Number(accounts.value)];
    if (accounts.value !== '' && account) signIn(account.email, account.password);
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    signIn(element('email').value, element('password').value);
  });
  signOutButton.addEventListener('click', signOut);

  schedule();
  show();
})();
