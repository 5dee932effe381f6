// A client as users of @modelcontextprotocol/client write one, for `mcp-session check-client`: it
// connects to the URL that is its last argument, calls each tool that is listed, and closes.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const transport = new StreamableHTTPClientTransport(new URL(process.argv.at(-1)));
const client = new Client({ name: 'checked', version: '1.0.0' });
await client.connect(transport);

const { tools } = await client.listTools();
const call = async ({ name }) => {
    try {
        await client.callTool({ name, arguments: {} }, { timeout: 8000 });
    } catch (error) {
        console.error(String(error));
    }
};
if (process.env.MCP_SESSION_TOGETHER) {
    await Promise.all(tools.map(call));
} else {
    for (const tool of tools) await call(tool);
}

await transport.terminateSession().catch((error) => console.error(String(error)));
await client.close();
