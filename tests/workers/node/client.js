// A client as users of @modelcontextprotocol/client write one. It does in one session what the
// tests count, a connection for each request so that each may reach another process, deletes the
// session, and prints what it was answered. The last argument is the URL.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Agent, fetch } from 'undici';

const dispatcher = new Agent({ pipelining: 0 });
const transport = new StreamableHTTPClientTransport(new URL(process.argv.at(-1)), {
    fetch: (url, init) => fetch(url, { ...init, dispatcher }),
});
const capabilities = { elicitation: {}, sampling: {} };
const client = new Client({ name: 'plain', version: '1.0.0' }, { capabilities });
client.setRequestHandler('elicitation/create', async ({ params }) => ({
    action: 'accept',
    content: { text: `said ${params.message}` },
}));
client.setRequestHandler('sampling/createMessage', async ({ params }) => {
    const { content } = params.messages[0];
    const text = `heard ${(Array.isArray(content) ? content[0] : content).text}`;
    return { model: 'm', role: 'assistant', content: { type: 'text', text } };
});
await client.connect(transport);

const call = async (name, text) => {
    const { content } = await client.callTool({ name, arguments: { text } });
    return content[0].text;
};
const answers = {};
for (const [name, count] of [['run', 30], ['remember', 5], ['elicit', 12], ['ask', 12]]) {
    answers[name] = [];
    for (let number = 0; number < count; number += 1) {
        answers[name].push(await call(name, `${name}-${number}`));
    }
}
await transport.terminateSession();
await client.close();
console.log(JSON.stringify(answers));
