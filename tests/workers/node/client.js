// A client as users of @modelcontextprotocol/client write one. It does in one session what the
// tests count, a connection for each request so that each may reach another process, deletes the
// session, and prints what it was answered. The last argument is the URL.

import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Agent, fetch } from 'undici';
import { call, person } from './person.js';

const dispatcher = new Agent({ pipelining: 0 });
const transport = new StreamableHTTPClientTransport(new URL(process.argv.at(-1)), {
    fetch: (url, init) => fetch(url, { ...init, dispatcher }),
});
const client = person();
await client.connect(transport);

const answers = {};
for (const [name, count] of [['run', 30], ['remember', 5], ['elicit', 12], ['ask', 12]]) {
    answers[name] = [];
    for (let number = 0; number < count; number += 1) {
        answers[name].push(await call(client, name, `${name}-${number}`));
    }
}
await transport.terminateSession();
await client.close();
console.log(JSON.stringify(answers));
