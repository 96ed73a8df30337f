// The way between a device and the service, which can break: whole, or only on the way back.
import http from 'node:http';
import net from 'node:net';

export class Road {
  isOpen = true;
  /** Decides of each request, by its body, whether its answer gets lost. */
  loses = () => false;
  /** Bodies of requests that reached the service, in order. */
  passed = [];
  /** How many answers got lost. */
  lost = 0;
  tunnels = new Set();

  /** To the address that `service` answers. */
  static async to(service) {
    const road = new Road();
    road.server = http.createServer((request, response) => road.carry(service(), request, response));
    road.server.on('upgrade', (request, socket, head) => road.tunnel(new URL(service()), request, socket, head));
    await new Promise((resolve) => road.server.listen(0, '127.0.0.1', resolve));
    road.url = `http://127.0.0.1:${road.server.address().port}`;
    return road;
  }

  carry(service, request, response) {
    if (!this.isOpen) return request.socket.destroy();
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const { method, url, headers } = request;
      const onward = http.request(`${service}${url}`, { method, headers }, (answer) => {
        const back = [];
        answer.on('data', (chunk) => back.push(chunk));
        answer.on('end', () => {
          this.passed.push(body.toString());
          if (!this.isOpen || this.loses(body.toString())) {
            this.lost += 1;
            return request.socket.destroy();
          }
          response.writeHead(answer.statusCode, answer.headers);
          response.end(Buffer.concat(back));
        });
      });
      onward.on('error', () => request.socket.destroy());
      onward.end(body);
    });
    request.on('error', () => {});
  }

  /** A WebSocket, as long as the road is open when it begins. */
  tunnel({ hostname, port }, request, socket, head) {
    if (!this.isOpen) return socket.destroy();
    const onward = net.connect(port, hostname, () => {
      const headers = request.rawHeaders.flatMap((name, at, all) => (at % 2 === 0 ? [`${name}: ${all[at + 1]}`] : []));
      onward.write([`${request.method} ${request.url} HTTP/1.1`, ...headers, '', ''].join('\r\n'));
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    this.tunnels.add(socket);
    for (const end of [socket, onward]) end.on('error', () => {}).on('close', () => [socket, onward].forEach((one) => one.destroy()));
  }

  /** Loses the answers of the next `count` requests whose bodies contain `part`. */
  loseNext(part, count) {
    let left = count;
    this.loses = (body) => left > 0 && body.includes(part) && left-- > 0;
  }

  close() {
    for (const socket of this.tunnels) socket.destroy();
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}
