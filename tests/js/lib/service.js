// The real program, serving a copy of the database that `prepare.js` made.
import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { signIn } from '../guide/session.js';
import { withPostgres } from './postgres.js';

const PASSWORD = 'clientele-demo';
const { CLIENTELE_BIN, CLIENTELE_JS_WORK, CLIENTELE_JS_TEMPLATE } = process.env;

/** People of the made-up team: two reps, and their lead. */
export const SOFIA = 'sofia.rossi@clientele.example';
export const ANNA = 'anna.berg@clientele.example';
export const LEAD = 'olivia.martin@clientele.example';

class Service {
  static async start(kind) {
    const service = new Service();
    service.directory = fs.mkdtempSync(path.join(CLIENTELE_JS_WORK, `${kind}-`));
    fs.copyFileSync(path.join(CLIENTELE_JS_WORK, 'secret.key'), path.join(service.directory, 'secret.key'));
    if (kind === 'SQLite') {
      const file = path.join(service.directory, 'book.sqlite');
      for (const end of ['', '-wal']) {
        const template = path.join(CLIENTELE_JS_WORK, `template.sqlite${end}`);
        if (fs.existsSync(template)) fs.copyFileSync(template, `${file}${end}`);
      }
      service.database = `sqlite://${file}`;
    } else {
      service.name = `clientele_js_${randomUUID().replaceAll('-', '')}`;
      service.database = await withPostgres(async (sql, address) => {
        await sql(`CREATE DATABASE ${service.name} TEMPLATE ${CLIENTELE_JS_TEMPLATE}`);
        return address(service.name);
      });
    }
    await service.serve();
    return service;
  }

  async serve() {
    const flags = ['--database-url', this.database, '--data-dir', this.directory, '--listen', '127.0.0.1:0', '--log-format', 'json', '--drain-grace', '0'];
    this.program = spawn(CLIENTELE_BIN, ['serve', ...flags], { cwd: this.directory, stdio: ['ignore', 'inherit', 'pipe'] });
    this.log = [];
    this.ended = new Promise((resolve) => this.program.once('exit', resolve));
    const lines = createInterface({ input: this.program.stderr });
    this.url = await new Promise((resolve, reject) => {
      lines.on('line', (line) => {
        this.log.push(line);
        const address = /"address":"([^"]+)"/.exec(line);
        if (address) resolve(`http://${address[1]}`);
      });
      this.ended.then(() => reject(new Error(`the service did not start:\n${this.log.join('\n')}`)));
    });
  }

  /** A session of somebody on a device; `url`: by which way. */
  async session(email, { url = this.url, device = 'test' } = {}) {
    return signIn(url, email, PASSWORD, device);
  }

  /** Lines of the log that tell of a fault of the service. */
  faults() {
    return this.log.filter((line) => line.includes('"INTERNAL"') || line.includes('"level":"ERROR"') || line.includes('panicked'));
  }

  /** Runs a command of the program on the database. */
  async run(...what) {
    const flags = ['--database-url', this.database, '--data-dir', this.directory, '--log-level', 'error'];
    // Not waited for in place: connections that the service closes meanwhile must be seen to be closed.
    await promisify(execFile)(CLIENTELE_BIN, [...what, ...flags], { cwd: this.directory });
  }

  /** Runs a command while nothing serves; it serves at another address then. */
  async without(...what) {
    this.program.kill('SIGTERM');
    await this.ended;
    await this.run(...what);
    await this.serve();
  }

  async stop() {
    this.program.kill('SIGTERM');
    await this.ended;
    if (this.name) await withPostgres((sql) => sql(`DROP DATABASE IF EXISTS ${this.name} WITH (FORCE)`));
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Databases to test on. */
const DATABASES = ['SQLite', ...(process.env.CLIENTELE_TEST_POSTGRES ? ['PostgreSQL'] : [])];

/** Tests on each database; `tests` is given a function that answers the service. */
export function onBoth(title, tests) {
  for (const kind of DATABASES) {
    describe(`${title}, on ${kind}`, () => {
      let service;
      before(async () => {
        service = await Service.start(kind);
      });
      after(async () => {
        await service?.stop();
      });
      tests(() => service);
    });
  }
}

/** Asks again until `ask` answers something; fails after `seconds`. */
export async function until(what, ask, seconds = 20) {
  const last = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > last) throw new Error(`not within ${seconds} s: ${what}`);
    await sleep(50);
  }
}
