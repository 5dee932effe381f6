// A client as users of @modelcontextprotocol/client write one, of a server that it starts: the
// arguments are the command. It calls when a line comes in, and prints what it was answered, until
// there is no line any more.

import { createInterface } from 'node:readline';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { call, person } from './person.js';

const [command, ...args] = process.argv.slice(2);
const client = person();
await client.connect(new StdioClientTransport({ command, args, env: process.env }));
for await (const text of createInterface({ input: process.stdin })) {
    const answers = [];
    for (const name of ['run', 'elicit', 'ask']) answers.push(await call(client, name, text));
    console.log(JSON.stringify(answers));
}
await client.close();
