// A server as users of @modelcontextprotocol/server write one, for a client to lose. The first
// argument is the port. With --one-transport there is one for all, as in the simplest of servers;
// otherwise each session has its own. The end of standard input ends the server.

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { NodeStreamableHTTPServerTransport } from '@modelcontextprotocol/node';
import { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';

const [port, ...options] = process.argv.slice(2);
const transports = new Map();

const open = async () => {
    const transport = new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => {
            transports.set(id, transport);
        },
        onsessionclosed: (id) => {
            transports.delete(id);
        },
    });
    const server = new McpServer({ name: 'peer', version: '1.0.0' });
    const inputSchema = z.object({ text: z.string() });
    server.registerTool('echo', { description: 'Return the text', inputSchema }, ({ text }) => ({
        content: [{ type: 'text', text }],
    }));
    server.registerTool('push', { description: 'Notifies of what belongs to no request' }, () => {
        setTimeout(() => server.sendToolListChanged(), 300);
        return { content: [{ type: 'text', text: 'pushed' }] };
    });
    await server.connect(transport);
    return transport;
};

const only = options.includes('--one-transport') ? await open() : undefined;

const transportOf = async (id) => only ?? (id === undefined ? open() : transports.get(id));

createServer(async (request, response) => {
    const transport = await transportOf(request.headers['mcp-session-id']);
    if (transport !== undefined) {
        await transport.handleRequest(request, response);
        return;
    }
    const error = { code: -32001, message: 'Session not found' };
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', error, id: null }));
}).listen(Number(port), '127.0.0.1');

process.stdin.on('end', () => process.exit(0)).resume();
