// The TypeScript SDK of the 1.x line, put together as its own example serves both HTTP transports: v1.mjs TRANSPORT PORT
import { randomUUID } from 'node:crypto';
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import * as z from 'zod/v4';
import { register } from './tools.mjs';

const [transport, port] = process.argv.slice(2);
const newServer = () => register(new McpServer({ name: 'benchmark', version: '1.0.0' }), z);

if (transport === 'stdio') {
    await newServer().connect(new StdioServerTransport());
} else {
    const sessions = new Map();
    const app = createMcpExpressApp();
    app.all('/mcp', async (req, res) => {
        let session = sessions.get(req.headers['mcp-session-id']);
        if (!session) {
            session = new StreamableHTTPServerTransport({
                sessionIdGenerator: () => randomUUID(),
                onsessioninitialized: id => void sessions.set(id, session)
            });
            session.onclose = () => sessions.delete(session.sessionId);
            await newServer().connect(session);
        }
        await session.handleRequest(req, res, req.body);
    });
    app.get('/sse', async (req, res) => {
        const session = new SSEServerTransport('/messages', res);
        sessions.set(session.sessionId, session);
        session.onclose = () => sessions.delete(session.sessionId);
        await newServer().connect(session);
    });
    app.post('/messages', (req, res) => sessions.get(req.query.sessionId).handlePostMessage(req, res, req.body));
    app.listen(Number(port), '127.0.0.1');
}
