// Struct layouts: one literal of field types gives the offsets that worker, page, Node and tests share.

export type FieldType =
  | 'u8'
  | 'u16'
  | 'u32'
  | 'i32'
  | 'u64'
  | readonly ['u8' | 'u16' | 'u32' | 'u64', number];

const SIZES = { u8: 1, u16: 2, u32: 4, i32: 4, u64: 8 } as const;

export type Layout<F extends Record<string, FieldType>> = { readonly [K in keyof F]: number } & {
  readonly $name: string;
  readonly $size: number;
  readonly $fields: ReadonlyArray<{
    readonly name: string;
    readonly type: FieldType;
    readonly offset: number;
    readonly size: number;
  }>;
};

/**
 * Lays out fields in order, each naturally aligned up to 4 bytes (the System V i386 rule: u64 aligns to 4).
 * The result maps every field name to its byte offset from the start of the record.
 */
export function layout<const F extends Record<string, FieldType>>(name: string, fields: F): Layout<F> {
  const offsets: Record<string, unknown> = {};
  const list: { name: string; type: FieldType; offset: number; size: number }[] = [];
  let at = 0;
  for (const [field, type] of Object.entries(fields)) {
    const one = typeof type === 'string' ? SIZES[type] : SIZES[type[0]];
    const size = typeof type === 'string' ? one : one * type[1];
    const align = Math.min(one, 4);
    at = Math.ceil(at / align) * align;
    offsets[field] = at;
    list.push({ name: field, type, offset: at, size });
    at += size;
  }
  return Object.freeze({
    ...offsets,
    $name: name,
    $size: Math.ceil(at / 4) * 4,
    $fields: list,
  }) as unknown as Layout<F>;
}
