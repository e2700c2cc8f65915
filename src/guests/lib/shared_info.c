/*
 * shared_info belongs to Xen. It is not among our pages, so it gets the place of
 * one: the entry of this page of .bss is pointed at Xen's frame instead.
 */
#include "memory.h"
#include "print.h"

static PAGE_ALIGNED char shared_info_place[PAGE_SIZE];

volatile struct shared_info *shared_info;

void map_shared_info(void) {
  if (shared_info) return;
  int rc = map_frame(va_of(shared_info_place), start_info->shared_info >> PAGE_SHIFT, PTE_KERNEL);
  if (rc != 0) panic("shared_info cannot be mapped: %d", rc);
  shared_info = (volatile struct shared_info *)shared_info_place;
}
