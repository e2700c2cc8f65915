// Numbers as people of the field write them, and back.

export const hex32 = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
export const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;
export const hexByte = (n: number): string => n.toString(16).padStart(2, '0');

/** '1f', '0x1f' or '31.' (decimal with a dot); undefined for anything else or above 32 bits. */
export function parseHex(text: string): number | undefined {
  const t = text.trim().replaceAll('_', '').replaceAll(' ', '');
  const decimal = /^(\d+)\.$/.exec(t);
  const value = decimal
    ? Number(decimal[1])
    : /^(0x)?[0-9a-f]+$/i.test(t)
      ? Number.parseInt(t.replace(/^0x/i, ''), 16)
      : Number.NaN;
  return Number.isFinite(value) && value >= 0 && value <= 0xffffffff ? value : undefined;
}
