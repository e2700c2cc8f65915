/* Quicksort of 64 Ki numbers and heap sort of 32 Ki: recursion, swaps, branches that depend on the data. */
#include "bench.h"

enum { QUICK = 1 << 16, HEAP = 1 << 15, SMALL = 12 };
static uint32_t numbers[QUICK];
const char bench_name[] = "sort";

void bench_prepare(void)
{
}

static void swap(uint32_t *x, uint32_t *y)
{
    uint32_t t = *x;
    *x = *y;
    *y = t;
}

static void insertion_sort(uint32_t *v, int32_t n)
{
    for (int32_t i = 1; i < n; i++) {
        uint32_t value = v[i];
        int32_t j = i;
        for (; j > 0 && v[j - 1] > value; j--)
            v[j] = v[j - 1];
        v[j] = value;
    }
}

static void quicksort(uint32_t *v, int32_t n)
{
    while (n > SMALL) {
        uint32_t pivot = v[n / 2];
        int32_t i = 0, j = n - 1;
        while (i <= j) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i <= j)
                swap(&v[i++], &v[j--]);
        }
        quicksort(v, j + 1);
        v += i;
        n -= i;
    }
    insertion_sort(v, n);
}

static void sift_down(uint32_t *v, uint32_t root, uint32_t n)
{
    for (;;) {
        uint32_t child = 2 * root + 1;
        if (child >= n)
            return;
        if (child + 1 < n && v[child + 1] > v[child])
            child++;
        if (v[root] >= v[child])
            return;
        swap(&v[root], &v[child]);
        root = child;
    }
}

static void heapsort(uint32_t *v, uint32_t n)
{
    for (uint32_t i = n / 2; i-- > 0;)
        sift_down(v, i, n);
    for (uint32_t end = n - 1; end > 0; end--) {
        swap(&v[0], &v[end]);
        sift_down(v, 0, end);
    }
}

static void fill(uint32_t n, uint32_t seed)
{
    for (uint32_t i = 0; i < n; i++)
        numbers[i] = bench_random(&seed);
}

/* A digest of the numbers in order; each pair in the wrong order shows. */
static uint32_t digest(uint32_t n)
{
    uint32_t sum = 0;
    for (uint32_t i = 1; i < n; i++)
        sum = bench_mix(sum, numbers[i] + (numbers[i - 1] > numbers[i]));
    return sum;
}

uint32_t bench_iteration(void)
{
    fill(QUICK, 0x12345678u);
    quicksort(numbers, QUICK);
    uint32_t sum = digest(QUICK);
    fill(HEAP, 0x87654321u);
    heapsort(numbers, HEAP);
    return bench_mix(sum, digest(HEAP));
}
