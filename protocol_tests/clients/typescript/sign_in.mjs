// An official client signs in by itself, lists the tools, and refreshes: node sign_in.mjs PACKAGE SERVER_URL METHOD
// It prints where it sends the person, reads where the browser was sent then, and prints what it has got.
import { createInterface } from 'node:readline/promises';

const [, , packageName, serverUrl, method] = process.argv;
const MODULES = {
  '@modelcontextprotocol/client': ['@modelcontextprotocol/client'],
  'sdk-latest': [
    'sdk-latest/client/index.js', 'sdk-latest/client/auth.js', 'sdk-latest/client/streamableHttp.js',
  ],
}[packageName];
const { Client, auth, StreamableHTTPClientTransport } = Object.assign(
  {}, ...(await Promise.all(MODULES.map((name) => import(name)))),
);
const kept = {};

const provider = {
  redirectUrl: 'http://127.0.0.1:5555/callback',
  clientMetadata: {
    client_name: packageName,
    redirect_uris: ['http://127.0.0.1:5555/callback'],
    ...(method === 'any' ? {} : { token_endpoint_auth_method: method }),
  },
  state: () => 'state of the client',
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  redirectToAuthorization: (url) => console.log(JSON.stringify({ open: String(url) })),
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  codeVerifier: () => kept.verifier,
};

const connected = async () => {
  const client = new Client({ name: packageName, version: '1.0.0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(serverUrl), { authProvider: provider }));
  return client;
};

const first = await connected().then(() => 'connected', (error) => error.constructor.name);
const went = new URL(await createInterface({ input: process.stdin }).question(''));
const iss = went.searchParams.get('iss');
await auth(provider, { serverUrl, authorizationCode: went.searchParams.get('code'), iss });
const client = await connected();
const { tools } = await client.listTools();
const signedIn = kept.tokens;
const second = await auth(provider, { serverUrl });
await client.listTools();
await client.close();
console.log(JSON.stringify({
  steps: [first, second],
  tools: tools.map((tool) => tool.name),
  method: kept.client.token_endpoint_auth_method,
  scope: kept.tokens.scope,
  refreshed: signedIn.refresh_token !== kept.tokens.refresh_token,
}));
process.exit();
