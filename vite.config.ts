// The page and its workers. Cross-origin isolation is what gives us one shared memory (SharedArrayBuffer).
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { freshEngine } from './tools/engine-plugin.ts';
import { ruleLines } from './tools/rule-lines.ts';

const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export default defineConfig({
  base: './',
  plugins: [freshEngine(), react(), ruleLines()],
  worker: { format: 'es', plugins: () => [ruleLines()] },
  server: { headers: isolation },
  preview: { headers: isolation },
  build: { target: 'es2022', sourcemap: false },
});
