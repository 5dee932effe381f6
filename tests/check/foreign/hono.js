// A server as users of @hono/mcp write one. The first argument is the port.

import { randomUUID } from 'node:crypto';
import { serve } from '@hono/node-server';
import { StreamableHTTPTransport } from '@hono/mcp';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { Hono } from 'hono';

const server = new McpServer({ name: 'hono', version: '1.0.0' });
server.registerTool('echo', { description: 'Says a word' }, () => ({
    content: [{ type: 'text', text: 'word' }],
}));
server.registerTool('push', { description: 'Notifies of what belongs to no request' }, () => {
    setTimeout(() => server.sendToolListChanged(), 300);
    return { content: [{ type: 'text', text: 'pushed' }] };
});
const transport = new StreamableHTTPTransport({ sessionIdGenerator: randomUUID });
await server.connect(transport);
const app = new Hono();
app.all('/mcp', (context) => transport.handleRequest(context));
serve({ fetch: app.fetch, port: Number(process.argv[2]), hostname: '127.0.0.1' });
