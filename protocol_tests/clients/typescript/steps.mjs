// The steps that a TypeScript client goes through: what it does in each, and how it says what it saw. See steps.py.
import { randomUUID } from 'node:crypto';

const STEP_MILLISECONDS = 30_000;
const PROGRESS_REPORTS = 3;
const PROGRESS_TRIES = 5;
const WATCHED = 'test://watched-resource';
const FILM = 'media://titles/tt0468569';
const DATA = 'test://template/7/data';

// What the server said without being asked.
export class Heard {
  levels = [];
  updates = [];
  #waiting = [];

  level(level) { this.#add(this.levels, level); }

  update(uri) { this.#add(this.updates, uri); }

  async until(what, where) {
    while (!where.includes(what)) await new Promise((resolve) => this.#waiting.push(resolve));
  }

  #add(where, what) {
    where.push(what);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

const textOf = (result) => result.content[0].text;

const valuesOf = async (client, ref, name, value) =>
  (await client.complete({ ref, argument: { name, value } })).completion.values;

// `peer` has the SDK's client, what it heard, and what differs between the SDKs.
const STEPS = {
  tools: async ({ client }) => (await client.listTools()).tools.map((tool) => tool.name),
  resources: async ({ client }) => (await client.listResources()).resources.map((resource) => resource.uri),
  templates: async ({ client }) =>
    (await client.listResourceTemplates()).resourceTemplates.map((template) => template.uriTemplate),
  prompts: async ({ client }) => (await client.listPrompts()).prompts.map((prompt) => prompt.name),
  call: async ({ call }) => JSON.parse(textOf(await call('search_titles', { query: 'the dark knight' }))),
  // The SDKs lose a report that they read in one go with the result, as they may on a busy machine: they hand on
  // notifications a turn later than results. So there is more than one try for all reports of one call.
  progress: async ({ call }) => {
    let seen;
    for (let tries = 0; tries < PROGRESS_TRIES && seen?.reports.length !== PROGRESS_REPORTS; tries += 1) {
      const reports = [];
      const onprogress = ({ progress, total, message }) => reports.push([progress, total, message]);
      seen = { reports, text: textOf(await call('test_tool_with_progress', {}, { onprogress })) };
    }
    return seen;
  },
  read: async ({ client }) => {
    const read = async (uri) => (await client.readResource({ uri })).contents[0].text;
    return { [FILM]: await read(FILM), [DATA]: await read(DATA) };
  },
  prompt: async ({ client }) => {
    const wanted = { name: 'test_prompt_with_arguments', arguments: { arg1: 'paris', arg2: 'two' } };
    return (await client.getPrompt(wanted)).messages[0].content.text;
  },
  complete: async ({ client }) => {
    const prompt = { type: 'ref/prompt', name: 'test_prompt_with_arguments' };
    const template = { type: 'ref/resource', uri: 'test://template/{id}/data' };
    return {
      template: await valuesOf(client, template, 'id', '12'),
      prompt: await valuesOf(client, prompt, 'arg1', 'par'),
      many: await valuesOf(client, prompt, 'arg2', ''),
    };
  },
  level: async ({ call, heard, setLevel }) => {
    await setLevel('warning');
    await call('log_levels', {});
    await heard.until('emergency', heard.levels);
    return heard.levels;
  },
  subscribe: async ({ call, heard, subscribe }) => {
    const unsubscribe = await subscribe(WATCHED);
    await call('touch', {});
    await heard.until(WATCHED, heard.updates);
    await unsubscribe();
    return [...new Set(heard.updates)];
  },
  // The work is seen to run, is cancelled, and is seen to run no more.
  cancel: async ({ call }) => {
    const label = randomUUID();
    const runs = async () => JSON.parse(textOf(await call('recall_notes', {}))).labels.includes(label);
    const stop = new AbortController();
    const work = call('work', { steps: 100_000, label }, { signal: stop.signal });
    const ended = work.then(() => { throw new Error('the call came to its end'); }, () => 'stopped');
    while (!(await runs()));
    stop.abort('enough');
    while (await runs());
    return ended;
  },
};

const limited = (promise) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('too late')), STEP_MILLISECONDS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

const attempt = async (run) => {
  try {
    return await limited(run());
  } catch (error) {
    return { failed: String(error?.stack ?? error) };
  }
};

async function walk(connect, transport, target) {
  const seen = {};
  let peer;
  seen.connect = await attempt(async () => {
    peer = await connect(transport, target);
    return { name: peer.client.getServerVersion()?.name, revision: peer.revision() };
  });
  if (seen.connect.failed) return seen;
  for (const [name, step] of Object.entries(STEPS)) seen[name] = await attempt(() => step(peer));
  const end = await attempt(() => peer.client.close());
  if (end?.failed) seen.end = end;
  return seen;
}

// Each transport on a connection of its own, at the same time.
export async function main(connect) {
  const targets = Object.entries(JSON.parse(process.argv[2]));
  const walks = targets.map(async ([transport, target]) => [transport, await walk(connect, transport, target)]);
  console.log(JSON.stringify(Object.fromEntries(await Promise.all(walks))));
  process.exit(0);
}
