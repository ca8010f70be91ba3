// Drives a gateway with the official TypeScript SDK: node client.mjs stdio COMMAND [ARGUMENT ...] | sse URL | http URL
// Prints one JSON object with what it saw.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const [kind, target, ...rest] = process.argv.slice(2);
const transports = {
  stdio: () => new StdioClientTransport({ command: target, args: rest, env: process.env, stderr: 'inherit' }),
  sse: () => new SSEClientTransport(new URL(target)),
  http: () => new StreamableHTTPClientTransport(new URL(target)),
};

const client = new Client({ name: 'media-gateway-tests', version: '1.0.0' });
await client.connect(transports[kind]());
const { tools } = await client.listTools();
const search = await client.callTool({ name: 'search_titles', arguments: { query: 'the dark knight' } });
const resolved = await client.callTool({ name: 'resolve_title', arguments: { name: 'Dune' } });
await client.ping();
console.log(JSON.stringify({
  server: client.getServerVersion(),
  tools: tools.map((tool) => tool.name),
  search: JSON.parse(search.content[0].text),
  resolved: JSON.parse(resolved.content[0].text),
}));
await client.close();
