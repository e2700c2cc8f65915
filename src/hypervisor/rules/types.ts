// A rule or an action: a name that code uses and a sentence that people read. Placeholders are {n:kind}: value n of the record,
// shown as kind: mfn, pfn, vaddr, maddr, domid, port, gref, dec, hex, pte, ptype (a page type), errno, sel, bool, level.

export type Sentence = readonly [name: string, en: string, ko: string];
