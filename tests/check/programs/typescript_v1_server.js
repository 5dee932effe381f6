// A server as users of @modelcontextprotocol/sdk write one: one transport for all clients, or,
// with --stateless, one for each request. The first argument is the port; the end of standard
// input ends the server.

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

const [port, ...options] = process.argv.slice(2);
const isStateless = options.includes('--stateless');

const open = async () => {
    const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: isStateless ? undefined : randomUUID,
    });
    const server = new McpServer({ name: 'peer', version: '1.0.0' });
    server.registerTool('echo', { description: 'Says a word' }, () => ({
        content: [{ type: 'text', text: 'word' }],
    }));
    server.registerTool('push', { description: 'Notifies of what belongs to no request' }, () => {
        setTimeout(() => server.sendToolListChanged(), 300);
        return { content: [{ type: 'text', text: 'pushed' }] };
    });
    await server.connect(transport);
    return transport;
};

const only = isStateless ? undefined : await open();

createServer(async (request, response) => {
    await (only ?? (await open())).handleRequest(request, response);
}).listen(Number(port), '127.0.0.1');

process.stdin.on('end', () => process.exit(0)).resume();
