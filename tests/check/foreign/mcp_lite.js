// A server as users of mcp-lite write one, with sessions in memory. The first argument is the port.

import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { InMemorySessionAdapter, McpServer, StreamableHttpTransport } from 'mcp-lite';

const server = new McpServer({ name: 'lite', version: '1.0.0' });
server.tool('echo', {
    description: 'Says a word',
    handler: () => ({ content: [{ type: 'text', text: 'word' }] }),
});
const transport = new StreamableHttpTransport({
    sessionAdapter: new InMemorySessionAdapter({ maxEventBufferSize: 16 }),
});
const handle = transport.bind(server);
const app = new Hono();
app.all('/mcp', (context) => handle(context.req.raw));
serve({ fetch: app.fetch, port: Number(process.argv[2]), hostname: '127.0.0.1' });
