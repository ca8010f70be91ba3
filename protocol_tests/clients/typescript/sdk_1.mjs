// The official SDK 1.x: node sdk_1.mjs TARGETS sdk-first|sdk-latest
import { Heard, main } from './steps.mjs';

const SDK = process.argv[3];
const { Client } = await import(`${SDK}/client/index.js`);
const { LoggingMessageNotificationSchema, ResourceUpdatedNotificationSchema } = await import(`${SDK}/types.js`);

const TRANSPORTS = {
  stdio: async ([command, ...args]) => {
    const { StdioClientTransport } = await import(`${SDK}/client/stdio.js`);
    return new StdioClientTransport({ command, args, env: process.env, stderr: 'inherit' });
  },
  sse: async (url) => {
    // The SDK of 2024 takes it for granted, as it is in browsers.
    globalThis.EventSource ??= (await import('eventsource')).EventSource;
    const { SSEClientTransport } = await import(`${SDK}/client/sse.js`);
    return new SSEClientTransport(new URL(url));
  },
  http: async (url) => {
    const { StreamableHTTPClientTransport } = await import(`${SDK}/client/streamableHttp.js`);
    return new StreamableHTTPClientTransport(new URL(url));
  },
};

// The revision agreed on. The SDK tells it to the transport; the SDK of 2024 told nobody, and took only 2024-11-05.
const follow = (transport) => {
  let revision = null;
  const tell = transport.setProtocolVersion?.bind(transport);
  transport.setProtocolVersion = (version) => { revision = version; tell?.(version); };
  return () => revision;
};

await main(async (kind, target) => {
  const heard = new Heard();
  const client = new Client({ name: 'media-gateway-tests', version: '1.0.0' }, { capabilities: {} });
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => heard.level(params.level));
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => heard.update(params.uri));
  const transport = await TRANSPORTS[kind](target);
  const revision = follow(transport);
  await client.connect(transport);
  return {
    client,
    heard,
    revision,
    call: (name, args, options) => client.callTool({ name, arguments: args }, undefined, options),
    setLevel: (level) => client.setLoggingLevel(level),
    subscribe: async (uri) => {
      await client.subscribeResource({ uri });
      return () => client.unsubscribeResource({ uri });
    },
  };
});
