// A server as users of fastmcp for TypeScript write one. The first argument is the port.

import { FastMCP } from 'fastmcp';

const server = new FastMCP({ name: 'fastmcp-ts', version: '1.0.0' });
server.addTool({ name: 'echo', description: 'Says a word', execute: async () => 'word' });
server.addTool({
    name: 'push',
    description: 'Notifies of what belongs to no request',
    execute: async (_arguments, { log }) => {
        setTimeout(() => log.info('pushed'), 300);
        return 'pushed';
    },
});
const port = Number(process.argv[2]);
await server.start({ transportType: 'httpStream', httpStream: { port, endpoint: '/mcp' } });
