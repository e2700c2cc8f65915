// Loads every description, so that the map of builder.ts is complete for whoever imports this file.

import './arithmetic.ts';
import './control.ts';
import './logic.ts';
import './moves.ts';
import './multiply.ts';
import './segments.ts';
import './shifts.ts';
import './stack.ts';
import './strings.ts';
import './system.ts';

export { type Semantic, semantics } from '../builder.ts';
