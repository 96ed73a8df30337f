// The PostgreSQL server of the tests.
import pg from 'pg';

/** Runs `work` with a way to run statements on the server, and one to name its databases. */
export async function withPostgres(work) {
  const server = process.env.CLIENTELE_TEST_POSTGRES;
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  const address = (name) => {
    const url = new URL(server);
    url.pathname = `/${name}`;
    return url.href;
  };
  try {
    return await work((statement) => client.query(statement), address);
  } finally {
    await client.end();
  }
}
