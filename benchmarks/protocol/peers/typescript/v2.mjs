// The TypeScript SDK of the 2.x line, which serves 2026-07-28: v2.mjs TRANSPORT PORT
import { createServer } from 'node:http';
import { localhostHostValidation, localhostOriginValidation, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import * as z from 'zod/v4';
import { register } from './tools.mjs';

const [transport, port] = process.argv.slice(2);
const newServer = () => register(new McpServer({ name: 'benchmark', version: '1.0.0' }), z);

if (transport === 'stdio') {
    serveStdio(newServer);
} else {
    const handle = toNodeHandler(createMcpHandler(newServer));
    const isHost = localhostHostValidation();
    const isOrigin = localhostOriginValidation();
    createServer((req, res) => {
        if (isHost(req, res) && isOrigin(req, res)) void handle(req, res);
    }).listen(Number(port), '127.0.0.1');
}
