// `npm test`: everything, in the order in which a failure is cheapest to learn of. Ends with the runners' own closing lines and one sum.
import { spawnSync } from 'node:child_process';

const STEPS = [
  ['types', ['npx', 'tsc', '-p', 'tsconfig.json']],
  ['lint', ['npx', 'biome', 'check', '.']],
  ['checks', ['node', 'tools/checks.mjs']],
  ['guests', ['node', 'tools/build-guests.mjs', '--check']],
  ['unit', ['npx', 'vitest', 'run']],
  ['mutation', ['node', '--import', 'tsx', 'tools/mutate.ts']],
  ['browser', ['npx', 'playwright', 'test']],
];
const only = process.argv.slice(2);
let passed = 0;
const failed = [];
for (const [name, command] of STEPS) {
  if (only.length > 0 && !only.includes(name)) continue;
  console.log(`\n== ${name}`);
  const { status, error } = spawnSync(command[0], command.slice(1), { stdio: 'inherit', env: process.env });
  if (error) console.log(String(error));
  if (status === 0) passed++;
  else failed.push(name);
}
if (failed.length > 0) console.log(`\nfailed: ${failed.join(', ')}`);
console.log(`\n${passed} passed, ${failed.length} failed`);
process.exit(failed.length === 0 ? 0 : 1);
