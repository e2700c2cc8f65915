/*
 * A program for the shim, and for the host: integers, strings, memory and sorting through the C library, no floating point. What it
 * prints must be the same in both places, byte by byte.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char name[24];
    int key;
};

static uint32_t random_state = 0x2545F491u;
static uint32_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    return random_state ^= random_state << 5;
}

static void formats(void)
{
    printf("[%d] [%5d] [%-5d] [%05d] [%+d] [% d]\n", 42, 42, 42, 42, 42, 42);
    printf("[%x] [%#x] [%X] [%o] [%#o] [%08x]\n", 0xBEEFu, 0xBEEFu, 0xBEEFu, 8u, 8u, 0xCAFEu);
    printf("[%s] [%10s] [%-10s] [%.3s] [%c] [%%]\n", "text", "text", "text", "text", 'x');
    printf("[%ld] [%lu] [%lld] [%llu] [%llx]\n", LONG_MIN, ULONG_MAX, LLONG_MIN, ULLONG_MAX, 0x123456789ABCDEFull);
    printf("[%*d] [%-*d] [%.*s] [%hhd] [%hd] [%zu]\n", 7, 1, 7, 2, 2, "abc", (char)-3, (short)-300, sizeof(struct entry));
    printf("[%d] [%d] [%u]\n", INT_MAX, INT_MIN, UINT_MAX);
    char text[40];
    int n = snprintf(text, 8, "%d-%s", 12345, "overflow");
    printf("%d \"%s\"\n", n, text);
}

static void numbers(void)
{
    static const struct {
        const char *text;
        int base;
    } cases[] = {{"42", 10}, {"  -17xyz", 10}, {"0x7fff", 0},  {"0755", 0},     {"zz", 36}, {"99999999999", 10},
                 {"-99999999999", 10}, {"", 10},   {"1010102", 2}, {"+2147483647", 10}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *end;
        errno = 0;
        long value = strtol(cases[i].text, &end, cases[i].base);
        printf("strtol \"%s\" %d: %ld, rest \"%s\", range %d\n", cases[i].text, cases[i].base, value, end, errno == ERANGE);
    }
    printf("%llu %lld %lu\n", strtoull("18446744073709551615", NULL, 10), strtoll("-9223372036854775808", NULL, 0),
           strtoul("deadbeef", NULL, 16));
    uint64_t product = 1, sum = 0;
    for (unsigned i = 1; i <= 20; i++) {
        product *= i;
        sum += product / (i * 7 + 3) + product % (i * 11 + 1);
    }
    printf("20! = %llu, %llu, %lld\n", (unsigned long long)product, (unsigned long long)sum, -(long long)product / 1000003);
    div_t d = div(-1000003, 97);
    printf("div %d %d, abs %d\n", d.quot, d.rem, abs(-5));
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}
static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void sorting(void)
{
    enum { MANY = 5000, FEW = 12 };
    uint32_t *v = malloc(MANY * sizeof *v), digest = 0;
    for (int i = 0; i < MANY; i++)
        v[i] = random_number();
    uint32_t wanted = v[MANY / 3];
    qsort(v, MANY, sizeof *v, by_number);
    int ordered = 1;
    for (int i = 1; i < MANY; i++) {
        ordered &= v[i - 1] <= v[i];
        digest = digest * 31 + v[i];
    }
    uint32_t *found = bsearch(&wanted, v, MANY, sizeof *v, by_number);
    printf("sorted %d, digest %08x, first %u, last %u, found %d\n", ordered, digest, v[0], v[MANY - 1], found && *found == wanted);
    free(v);
    struct entry entries[FEW];
    for (int i = 0; i < FEW; i++) {
        sprintf(entries[i].name, "%c-entry-%u", 'a' + (int)(random_number() % 26), random_number() % 1000);
        entries[i].key = i;
    }
    qsort(entries, FEW, sizeof entries[0], by_name);
    for (int i = 0; i < FEW; i++)
        printf("%2d %-20s %d\n", i, entries[i].name, entries[i].key);
}

static void strings(void)
{
    char a[64] = "the quick brown fox", b[64], *save;
    printf("%zu %s %s %s\n", strlen(a), strchr(a, 'q'), strrchr(a, 'o'), strstr(a, "brown"));
    printf("%d %d %d\n", strcmp("abc", "abd") < 0, strncmp("abcdef", "abcxyz", 3), memcmp("\1\2\3", "\1\2\4", 3) < 0);
    strcpy(b, a);
    strcat(b, " jumps");
    memmove(b + 4, b, 15);
    printf("%s|%zu|%zu\n", b, strspn("aabbcc", "ab"), strcspn("hello, world", ",!"));
    for (char *word = strtok_r(a, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        for (char *p = word; *p; p++)
            *p = (char)toupper((unsigned char)*p);
        printf("<%s>", word);
    }
    printf("\n%s\n", strerror(ENOENT));
    memset(b, '-', 20);
    b[20] = 0;
    printf("%s %p\n", b, memchr(b, 'x', 20));
}

static void memory(void)
{
    enum { BLOCKS = 400, ROUNDS = 400 };
    static unsigned char *blocks[BLOCKS];
    static size_t sizes[BLOCKS];
    uint32_t digest = 0;
    int wrong = 0;
    for (int i = 0; i < ROUNDS; i++) {
        unsigned n = random_number() % BLOCKS;
        if (blocks[n]) {
            for (size_t j = 0; j < sizes[n]; j += 97)
                wrong += blocks[n][j] != (unsigned char)(n + j);
            digest = digest * 33 + (uint32_t)sizes[n];
        }
        size_t size = random_number() % (i % 50 == 0 ? 100000 : 1500);
        if (i % 3 == 0) {
            free(blocks[n]);
            blocks[n] = size ? calloc(1, size) : NULL;
            for (size_t j = 0; j < size; j += 97)
                wrong += blocks[n][j] != 0;
        } else
            blocks[n] = realloc(blocks[n], size + 1);
        sizes[n] = blocks[n] ? size : 0;
        for (size_t j = 0; j < sizes[n]; j++)
            blocks[n][j] = (unsigned char)(n + j);
    }
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    printf("memory: digest %08x, wrong %d\n", digest, wrong);
}

int main(int argc, char **argv)
{
    printf("arguments: %d, %d\n", argc, argv[argc] == NULL);
    formats();
    numbers();
    sorting();
    strings();
    memory();
    fflush(stdout);
    puts("done");
    return 7;
}
