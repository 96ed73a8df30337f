// `make`: the databases that services of the tests begin with: the made-up team, on SQLite and, where there is a
// server, on PostgreSQL. `remove`: takes that of PostgreSQL away again.
import { execFileSync } from 'node:child_process';
import path from 'node:path';

import { withPostgres } from './postgres.js';

const { CLIENTELE_BIN, CLIENTELE_JS_WORK: work, CLIENTELE_JS_TEMPLATE: template, CLIENTELE_TEST_POSTGRES } = process.env;
const run = (...what) => execFileSync(CLIENTELE_BIN, [...what, '--data-dir', work], { cwd: work, stdio: ['ignore', 'ignore', 'inherit'] });

if (process.argv[2] === 'make') {
  const file = path.join(work, 'template.sqlite');
  run('demo', '--no-serve', '--file', file);
  if (CLIENTELE_TEST_POSTGRES) {
    const backup = path.join(work, 'team.backup');
    run('backup', backup, '--database-url', `sqlite://${file}`, '--log-level', 'error');
    await withPostgres(async (sql, address) => {
      await sql(`CREATE DATABASE ${template}`);
      run('restore', backup, '--database-url', address(template), '--log-level', 'error');
    });
  }
} else if (CLIENTELE_TEST_POSTGRES) {
  await withPostgres((sql) => sql(`DROP DATABASE IF EXISTS ${template} WITH (FORCE)`));
}
