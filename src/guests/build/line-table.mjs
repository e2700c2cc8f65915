// Reads DWARF line programs (versions 2 to 4): which source line each instruction came from.
// A line program is a small machine of its own whose output is rows (address, file, line).

const DW_LNS = {
  copy: 1,
  advancePc: 2,
  advanceLine: 3,
  setFile: 4,
  setColumn: 5,
  negateStmt: 6,
  setBasicBlock: 7,
};
const DW_LNS_CONST_ADD_PC = 8;
const DW_LNS_FIXED_ADVANCE_PC = 9;
const DW_LNE_END_SEQUENCE = 1;
const DW_LNE_SET_ADDRESS = 2;

class Reader {
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
  }
  u8() {
    return this.bytes[this.at++];
  }
  s8() {
    return (this.u8() << 24) >> 24;
  }
  u16() {
    this.at += 2;
    return this.bytes.readUInt16LE(this.at - 2);
  }
  u32() {
    this.at += 4;
    return this.bytes.readUInt32LE(this.at - 4);
  }
  uleb() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.u8();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }
  sleb() {
    let value = 0;
    for (let shift = 0; ; ) {
      const byte = this.u8();
      value |= (byte & 0x7f) << shift;
      shift += 7;
      if (byte < 0x80) return byte & 0x40 && shift < 32 ? value | (-1 << shift) : value;
    }
  }
  string() {
    const from = this.at;
    this.at = this.bytes.indexOf(0, from) + 1;
    return this.bytes.toString('utf8', from, this.at - 1);
  }
}

function readHeader(reader) {
  const length = reader.u32();
  const end = reader.at + length;
  const version = reader.u16();
  if (version < 2 || version > 4) throw new Error(`line table: DWARF version ${version} is not read here`);
  const headerLength = reader.u32();
  const program = reader.at + headerLength;
  const minInstruction = reader.u8();
  if (version >= 4) reader.u8(); // operations per instruction: 1 outside VLIW machines
  reader.u8(); // default_is_stmt
  const lineBase = reader.s8();
  const lineRange = reader.u8();
  const opcodeBase = reader.u8();
  const operands = [0, ...Array.from({ length: opcodeBase - 1 }, () => reader.u8())];
  const directories = [''];
  for (let name = reader.string(); name !== ''; name = reader.string()) directories.push(name);
  const files = [''];
  for (let name = reader.string(); name !== ''; name = reader.string()) {
    const directory = directories[reader.uleb()];
    reader.uleb(); // time
    reader.uleb(); // length
    files.push(directory && !name.startsWith('/') ? `${directory}/${name}` : name);
  }
  return { end, program, minInstruction, lineBase, lineRange, opcodeBase, operands, files };
}

function runProgram(reader, header, rows) {
  const { files, lineBase, lineRange, opcodeBase, minInstruction } = header;
  let [address, file, line] = [0, 1, 1];
  const emit = () => rows.push({ address, file: files[file], line });
  const advance = (steps) => (address += steps * minInstruction);
  reader.at = header.program;
  while (reader.at < header.end) {
    const opcode = reader.u8();
    if (opcode >= opcodeBase) {
      advance(Math.floor((opcode - opcodeBase) / lineRange));
      line += lineBase + ((opcode - opcodeBase) % lineRange);
      emit();
    } else if (opcode === 0) {
      const next = reader.uleb() + reader.at;
      const extended = reader.u8();
      if (extended === DW_LNE_SET_ADDRESS) address = reader.u32();
      if (extended === DW_LNE_END_SEQUENCE) {
        rows.push({ address, file: undefined, line: 0 });
        [address, file, line] = [0, 1, 1];
      }
      reader.at = next;
    } else if (opcode === DW_LNS.copy) emit();
    else if (opcode === DW_LNS.advancePc) advance(reader.uleb());
    else if (opcode === DW_LNS.advanceLine) line += reader.sleb();
    else if (opcode === DW_LNS.setFile) file = reader.uleb();
    else if (opcode === DW_LNS_CONST_ADD_PC) advance(Math.floor((255 - opcodeBase) / lineRange));
    else if (opcode === DW_LNS_FIXED_ADVANCE_PC) address += reader.u16();
    else for (let n = header.operands[opcode]; n > 0; n--) reader.uleb();
  }
}

/** All rows of a .debug_line section, in program order; a row without file ends a sequence. */
export function readLineTable(bytes) {
  const rows = [];
  for (let at = 0; at < bytes.length; ) {
    const reader = new Reader(bytes, at);
    const header = readHeader(reader);
    runProgram(reader, header, rows);
    at = header.end;
  }
  return rows;
}
