// A client of the SDK's that answers whatever the server asks.

import { Client } from '@modelcontextprotocol/client';

export const person = () => {
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
    return client;
};

export const call = async (client, name, text) => {
    const { content } = await client.callTool({ name, arguments: { text } });
    return content[0].text;
};
