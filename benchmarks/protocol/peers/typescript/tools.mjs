// The tools of the TypeScript peers: what `plugins/benchmark_tools` offers. The environment says where its files are.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const read = name => JSON.parse(readFileSync(join(process.env.BENCHMARK_TOOLS, name), 'utf8'));
const ANSWER = read('answer.json');
const OTHERS = read('others.json');

function shown(value) {
    return { content: [{ type: 'text', text: JSON.stringify(value) }], structuredContent: value };
}

export function register(server, z) {
    const offer = z.object({ platform: z.string(), region: z.string(), monetization: z.string(), price: z.number().optional() });
    const item = z.object({
        id: z.string(), name: z.string(), kind: z.string(), year: z.number().int(), genres: z.array(z.string()),
        score: z.number(), people: z.array(z.string()), overview: z.string(), offers: z.array(offer)
    });
    const answer = z.object({
        total: z.number().int(), items: z.array(item),
        facets: z.record(z.string(), z.array(z.object({ value: z.string(), count: z.number().int() }))),
        has_more: z.boolean(), next_cursor: z.string().optional()
    });
    const query = z.object({
        query: z.string().describe('Words of the name, the plot or the people.'),
        genres: z.array(z.string()).default([]).describe('Any of these.'),
        region: z.string().default('US').describe('Two letters.'),
        limit: z.number().int().min(1).max(100).default(20).describe('Titles on a page.')
    });
    server.registerTool(
        'echo',
        {
            description: 'Say it again.',
            inputSchema: z.object({ text: z.string().describe('Comes back.') }),
            outputSchema: z.object({ result: z.string() })
        },
        async ({ text }) => shown({ result: text })
    );
    const search = (name, description) =>
        server.registerTool(name, { description, inputSchema: query, outputSchema: answer }, async () => shown(ANSWER));
    search('search', 'Find titles by words, genre and region.');
    for (const [name, description] of Object.entries(OTHERS)) search(`benchmark_${name}`, description);
    return server;
}
