// The page begins here: connect the session, put a lab on stage, and draw.

import { createRoot } from 'react-dom/client';
import './ui/theme/base.css';
import { start } from './ui/shell/start.ts';
import { App } from './ui/shell/app.tsx';

createRoot(document.getElementById('root')!).render(<App />);
void start();
