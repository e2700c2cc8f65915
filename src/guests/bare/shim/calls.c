/*
 * The system calls, by their numbers on the i386 (asm/unistd_32.h). A negative answer is an error number. The program's pointers are
 * checked against the range it may own; a page that is missing there ends the run, as any fault does.
 */
#include "shim.h"

enum { ENOENT = 2, EBADF = 9, ENOMEM = 12, EFAULT = 14, EINVAL = 22, ENOTTY = 25, ESPIPE = 29, ENOSYS = 38 };
#define ERROR(number) ((uint32_t)-(number))
enum { PROT_WRITE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20, IOVEC_MAX = 64, THREAD_ENTRY = THREAD / 8 };
#define MMAP_START 0x40000000u
#define UNLIMITED 0xFFFFFFFFu

static uint32_t program_break, break_start, mmap_next;

void calls_start(uint32_t brk)
{
    break_start = program_break = (brk + PAGE - 1) & ~(uint32_t)(PAGE - 1);
    mmap_next = MMAP_START;
}

static int owned(uint32_t vaddr, uint32_t bytes)
{
    return vaddr >= USER_START && vaddr <= USER_END && bytes <= USER_END - vaddr;
}

static uint32_t call_exit(const struct call *call)
{
    leave_machine(call->ebx & 0xFF);
    return 0;
}

static uint32_t call_write(const struct call *call)
{
    if (call->ebx != 1 && call->ebx != 2)
        return ERROR(EBADF);
    if (!owned(call->ecx, call->edx))
        return ERROR(EFAULT);
    for (uint32_t i = 0; i < call->edx; i++)
        serial_byte(((const uint8_t *)call->ecx)[i]);
    return call->edx;
}

static uint32_t call_writev(const struct call *call)
{
    const uint32_t(*vector)[2] = (const uint32_t(*)[2])call->ecx;
    uint32_t sum = 0;
    if (call->edx > IOVEC_MAX || !owned(call->ecx, call->edx * 8))
        return ERROR(EINVAL);
    for (uint32_t i = 0; i < call->edx; i++) {
        struct call one = {.ebx = call->ebx, .ecx = vector[i][0], .edx = vector[i][1]};
        uint32_t written = call_write(&one);
        if (written > call->edx && (int32_t)written < 0)
            return written;
        sum += written;
    }
    return sum;
}

static uint32_t call_brk(const struct call *call)
{
    uint32_t wanted = call->ebx;
    if (wanted < break_start || wanted >= MMAP_START)
        return program_break;
    if (wanted > program_break && !map_pages(program_break, wanted - program_break))
        return program_break;
    uint32_t from = (wanted + PAGE - 1) & ~(uint32_t)(PAGE - 1), to = (program_break + PAGE - 1) & ~(uint32_t)(PAGE - 1);
    if (from < to)
        unmap_pages(from, to - from);
    return program_break = wanted;
}

static uint32_t call_mmap2(const struct call *call)
{
    uint32_t bytes = (call->ecx + PAGE - 1) & ~(uint32_t)(PAGE - 1), at = mmap_next;
    if (bytes == 0 || !(call->esi & MAP_ANONYMOUS))
        return ERROR(EINVAL);
    if (call->esi & MAP_FIXED) {
        at = call->ebx;
        if (at % PAGE || !owned(at, bytes))
            return ERROR(EINVAL);
        unmap_pages(at, bytes);
    } else
        mmap_next += bytes + PAGE;
    if (bytes > free_bytes() || !map_pages(at, bytes))
        return ERROR(ENOMEM);
    if (!(call->edx & PROT_WRITE))
        protect_pages(at, bytes, 0);
    return at;
}

static uint32_t call_munmap(const struct call *call)
{
    if (call->ebx % PAGE || !owned(call->ebx, call->ecx))
        return ERROR(EINVAL);
    unmap_pages(call->ebx, call->ecx);
    return 0;
}

static uint32_t call_mprotect(const struct call *call)
{
    if (call->ebx % PAGE || !owned(call->ebx, call->ecx))
        return ERROR(EINVAL);
    protect_pages(call->ebx, call->ecx, (call->edx & PROT_WRITE) != 0);
    return 0;
}

/* struct user_desc: entry number, base, limit, bits (the fifth: limit in pages). One entry of the GDT is the program's. */
static uint32_t call_set_thread_area(const struct call *call)
{
    uint32_t *area = (uint32_t *)call->ebx;
    if (!owned(call->ebx, 16))
        return ERROR(EFAULT);
    if (area[0] != UNLIMITED && area[0] != THREAD_ENTRY)
        return ERROR(EINVAL);
    uint32_t base = area[1], limit = area[2], pages = area[3] >> 4 & 1;
    area[0] = THREAD_ENTRY;
    gdt[THREAD_ENTRY][0] = base << 16 | (limit & 0xFFFF);
    gdt[THREAD_ENTRY][1] = (base & 0xFF000000u) | pages << 23 | 1u << 22 | (limit & 0xF0000) | 0xF200 | (base >> 16 & 0xFF);
    return 0;
}

static uint32_t call_uname(const struct call *call)
{
    static const char *const fields[] = {"Linux", "shim", "6.1.0", "#1", "i686", "(none)"};
    char *to = (char *)call->ebx;
    if (!owned(call->ebx, 65 * 6))
        return ERROR(EFAULT);
    for (uint32_t i = 0; i < 6; i++, to += 65) {
        memset(to, 0, 65);
        for (uint32_t j = 0; fields[i][j]; j++)
            to[j] = fields[i][j];
    }
    return 0;
}

/* struct stat64: the descriptors 0 to 2 are pipes. */
static uint32_t call_fstat64(const struct call *call)
{
    uint32_t *stat = (uint32_t *)call->ecx;
    if (call->ebx > 2)
        return ERROR(EBADF);
    if (!owned(call->ecx, 96))
        return ERROR(EFAULT);
    memset(stat, 0, 96);
    stat[4] = 0x1180; /* S_IFIFO, 0600 */
    stat[5] = 1;
    stat[13] = PAGE;
    return 0;
}

static uint32_t fill_limits(uint32_t vaddr, uint32_t words)
{
    if (vaddr == 0)
        return 0;
    if (!owned(vaddr, words * 4))
        return ERROR(EFAULT);
    memset((void *)vaddr, 0xFF, words * 4);
    return 0;
}
static uint32_t call_getrlimit(const struct call *call)
{
    return fill_limits(call->ecx, 2);
}
static uint32_t call_prlimit64(const struct call *call)
{
    return fill_limits(call->esi, 4);
}

/* struct sysinfo: qsort asks how much memory there is. */
static uint32_t call_sysinfo(const struct call *call)
{
    uint32_t *info = (uint32_t *)call->ebx;
    if (!owned(call->ebx, 64))
        return ERROR(EFAULT);
    memset(info, 0, 64);
    info[4] = info[5] = free_bytes();
    info[13] = 1;
    return 0;
}

static uint32_t call_getrandom(const struct call *call)
{
    if (!owned(call->ebx, call->ecx))
        return ERROR(EFAULT);
    for (uint32_t i = 0; i < call->ecx; i++)
        ((uint8_t *)call->ebx)[i] = (uint8_t)(0xA5 + 37 * i);
    return call->ecx;
}

static uint32_t is_zero(const struct call *call)
{
    (void)call;
    return 0;
}
static uint32_t is_one(const struct call *call)
{
    (void)call;
    return 1;
}
static uint32_t no_entry(const struct call *call)
{
    (void)call;
    return ERROR(ENOENT);
}
static uint32_t no_terminal(const struct call *call)
{
    (void)call;
    return ERROR(ENOTTY);
}
static uint32_t no_seek(const struct call *call)
{
    (void)call;
    return ERROR(ESPIPE);
}

static const struct {
    uint32_t number;
    uint32_t (*serve)(const struct call *call);
} table[] = {
    {1, call_exit},          {3, is_zero},           {4, call_write},     {5, no_entry},        {6, is_zero},
    {20, is_one},            {24, is_zero},          {45, call_brk},      {47, is_zero},        {49, is_zero},
    {50, is_zero},           {54, no_terminal},      {85, no_entry},      {91, call_munmap},    {116, call_sysinfo},
    {122, call_uname},       {125, call_mprotect},   {140, no_seek},      {146, call_writev},   {174, is_zero},
    {175, is_zero},          {191, call_getrlimit},  {192, call_mmap2},   {195, no_entry},      {197, call_fstat64},
    {199, is_zero},          {200, is_zero},         {201, is_zero},      {202, is_zero},       {224, is_one},
    {243, call_set_thread_area}, {252, call_exit},   {258, is_one},       {295, no_entry},      {305, no_entry},
    {311, is_zero},          {340, call_prlimit64},  {355, call_getrandom},
};

uint32_t on_call(const struct call *call)
{
    for (uint32_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].number == call->eax)
            return table[i].serve(call);
    return ERROR(ENOSYS);
}
