/* The program's file: ELF for the i386, executable, without an interpreter. System V ABI, chapters 4 and 5. */
#include "shim.h"

struct elf_header {
    uint32_t magic;
    uint8_t class, data, version, padding[9];
    uint16_t type, machine;
    uint32_t version32, entry, phoff, shoff, flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf_segment {
    uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};
enum { ELF_MAGIC = 0x464C457F, CLASS32 = 1, LITTLE = 1, EXECUTABLE = 2, I386 = 3, LOAD = 1, INTERPRETER = 3, WRITE = 2 };

static int is_program(const struct elf_header *header, uint32_t bytes)
{
    return bytes >= sizeof *header && header->magic == ELF_MAGIC && header->class == CLASS32 && header->data == LITTLE &&
           header->type == EXECUTABLE && header->machine == I386 && header->phentsize == sizeof(struct elf_segment) &&
           header->phoff <= bytes && header->phnum <= (bytes - header->phoff) / sizeof(struct elf_segment);
}

static int fits(const struct elf_segment *segment, uint32_t bytes)
{
    return segment->vaddr >= USER_START && segment->vaddr <= USER_END && segment->memsz <= USER_END - segment->vaddr &&
           segment->filesz <= segment->memsz && segment->offset <= bytes && segment->filesz <= bytes - segment->offset;
}

int load_program(const uint8_t *file, uint32_t bytes, struct program *program)
{
    const struct elf_header *header = (const void *)file;
    if (!is_program(header, bytes))
        return 0;
    const struct elf_segment *segments = (const void *)(file + header->phoff);
    program->entry = header->entry;
    program->headers = 0;
    program->header_size = header->phentsize;
    program->header_count = header->phnum;
    program->end = 0;
    for (uint32_t i = 0; i < header->phnum; i++) {
        const struct elf_segment *segment = &segments[i];
        if (segment->type == INTERPRETER)
            return 0;
        if (segment->type != LOAD)
            continue;
        if (!fits(segment, bytes) || !map_pages(segment->vaddr, segment->memsz))
            return 0;
        memcpy((void *)segment->vaddr, file + segment->offset, segment->filesz);
        if (header->phoff >= segment->offset && header->phoff < segment->offset + segment->filesz)
            program->headers = segment->vaddr + (header->phoff - segment->offset);
        if (segment->vaddr + segment->memsz > program->end)
            program->end = segment->vaddr + segment->memsz;
    }
    for (uint32_t i = 0; i < header->phnum; i++)
        if (segments[i].type == LOAD && !(segments[i].flags & WRITE))
            protect_pages(segments[i].vaddr, segments[i].memsz, 0);
    return 1;
}
