// ringside: the same machine without a page. This file is the table of contents; each command is a file of its own.

type Command = (argv: string[], out: (text: string) => void, err: (text: string) => void) => Promise<number>;

const COMMANDS: Readonly<
  Record<string, { readonly load: () => Promise<{ readonly run: Command }>; readonly help: string }>
> = {
  boot: { load: () => import('./boot.ts'), help: 'boot IMAGE …        run an image headless' },
  explain: { load: () => import('./explain.ts'), help: 'explain "0f 01 0d"  say what bytes do' },
  isa: { load: () => import('./isa.ts'), help: 'isa [--json]        list every form with its derived class' },
  lockstep: {
    load: () => import('./lockstep.ts'),
    help: 'lockstep IMAGE …    compare two engines on an image',
  },
  'cpu-test': { load: () => import('./cpu-test.ts'), help: 'cpu-test FILE…      run processor test vectors' },
};

/** Exit code: 2 for bad usage, otherwise the command's. */
async function main(): Promise<number> {
  const [name, ...argv] = process.argv.slice(2);
  const command = name === undefined ? undefined : COMMANDS[name];
  if (!command) {
    process.stderr.write(
      `usage: ringside COMMAND …\n${Object.values(COMMANDS)
        .map((c) => `  ${c.help}\n`)
        .join('')}`,
    );
    return 2;
  }
  const { run } = await command.load();
  return run(
    argv,
    (text) => process.stdout.write(text),
    (text) => process.stderr.write(text),
  );
}

// A reader that has seen enough (`| head`) closes the pipe: that is no error of ours.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    if (stream === process.stdout) process.exit(0);
  });

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 70;
  },
);
