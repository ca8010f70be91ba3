// The official client 2.x, in the era of the handshake or in the newest that both know: node sdk_2.mjs TARGETS legacy|auto
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Heard, main } from './steps.mjs';

const MODE = process.argv[3];
const LEVEL = 'io.modelcontextprotocol/logLevel';
const TRANSPORTS = {
  stdio: ([command, ...args]) => new StdioClientTransport({ command, args, env: process.env, stderr: 'inherit' }),
  sse: (url) => new SSEClientTransport(new URL(url)),
  http: (url) => new StreamableHTTPClientTransport(new URL(url)),
};

// A level and subscriptions that the session keeps.
const ofHandshake = (client) => ({
  call: (name, args, options) => client.callTool({ name, arguments: args }, options),
  setLevel: (level) => client.setLoggingLevel(level),
  subscribe: async (uri) => {
    await client.subscribeResource({ uri });
    return () => client.unsubscribeResource({ uri });
  },
});

// A level that goes along with each request, and subscriptions that are a stream.
const ofToday = (client) => {
  let meta = {};
  return {
    call: (name, args, options) => client.callTool({ name, arguments: args, _meta: meta }, options),
    setLevel: async (level) => { meta = { [LEVEL]: level }; },
    subscribe: async (uri) => {
      const subscription = await client.listen({ resourceSubscriptions: [uri] });
      return () => subscription.close();
    },
  };
};

await main(async (kind, target) => {
  const heard = new Heard();
  // HTTP+SSE is a transport of the handshake's era.
  const mode = kind === 'sse' ? 'legacy' : MODE;
  const client = new Client({ name: 'media-gateway-tests', version: '1.0.0' }, { versionNegotiation: { mode } });
  client.setNotificationHandler('notifications/message', ({ params }) => heard.level(params.level));
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => heard.update(params.uri));
  await client.connect(TRANSPORTS[kind](target));
  const rest = mode === 'legacy' ? ofHandshake(client) : ofToday(client);
  return { client, heard, revision: () => client.getNegotiatedProtocolVersion(), ...rest };
});
