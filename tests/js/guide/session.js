// Signs in, and sends requests with an access token that is always fresh.
export async function signIn(url, email, password, deviceName) {
  const ask = async (path, body) => {
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch(`${url}/auth/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    const said = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(said.errors[0].message), said.errors[0].extensions);
    return { ...said, goodUntil: Date.now() + (said.expiresInSeconds - 30) * 1000 };
  };
  let session = await ask('sign-in', { email, password, deviceName }); // keep `refreshToken` in the phone's safe
  let refreshing;

  const token = async () => {
    if (Date.now() > session.goodUntil) {
      refreshing ??= ask('refresh', { refreshToken: session.refreshToken }).finally(() => (refreshing = undefined));
      session = await refreshing;
    }
    return session.accessToken;
  };
  const authorized = async (...what) => {
    const request = new Request(...what);
    request.headers.set('Authorization', `Bearer ${await token()}`);
    return fetch(request);
  };
  const graphql = async (query, variables) => {
    const headers = { 'Content-Type': 'application/json' };
    const body = JSON.stringify({ query, variables });
    const { data, errors } = await (await authorized(`${url}/graphql`, { method: 'POST', headers, body })).json();
    if (errors) throw Object.assign(new Error(errors[0].message), errors[0].extensions);
    return data;
  };
  return { token, fetch: authorized, graphql };
}
