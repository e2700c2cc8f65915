/*
 * Pointers handed to Xen: it reads and writes through the guest's own page tables, and never faults for it.
 *
 * - What is not mapped is -EFAULT; so is writing to a read-only page, and half a structure.
 * - Pages closed to ring 3 are open: the kernel asks, not its applications.
 * - Xen's own area can be read where the guest can read it, never written; a list
 *   named inside a structure may not lie there at all.
 */
#include "events.h"
#include "harness.h"
#include "string.h"
#include "xen/sched.h"
#include "xen/version.h"

static PAGE_ALIGNED char pages[2 * PAGE_SIZE];
#define SECOND (pages + PAGE_SIZE)

/* Sixteen bytes to `where`. */
static int write_to(const void *where) { return HYPERVISOR_xen_version(XENVER_guest_handle, (void *)where); }
static int send_from(const void *where) { return HYPERVISOR_event_channel_op(EVTCHNOP_send, (void *)where); }

TEST("guest-pointers") {
  memset(pages, 0x55, sizeof pages);
  check_equal("across two pages", write_to(SECOND - 8), 0);
  check(*(volatile uint32_t *)SECOND != 0x55555555, "nothing was written to the second page");
  memset(SECOND, 0, PAGE_SIZE);

  remap_page(va_of(SECOND), PTE_P | PTE_A);
  uint32_t before = *(volatile uint32_t *)SECOND;
  check_equal("into a read-only page", write_to(SECOND), -EFAULT);
  check_equal("half into a read-only page", write_to(SECOND - 4), -EFAULT);
  check_equal("it is unchanged", *(volatile uint32_t *)SECOND, before);
  check_equal("read from a read-only page", send_from(SECOND + 64), -EINVAL); /* port 0 */

  HYPERVISOR_update_va_mapping(va_of(SECOND), 0, UVMF_INVLPG);
  check_equal("into nothing", write_to(SECOND), -EFAULT);
  check_equal("from nothing", send_from(SECOND), -EFAULT);
  check_equal("half from nothing", send_from(SECOND - 2), -EFAULT);
  remap_page(va_of(SECOND), PTE_KERNEL);

  const void *entry = (const uint32_t *)HYPERVISOR_VIRT_START + pfn_to_mfn(2000); /* it holds 2000: no port of ours */
  check_equal("from the M2P", send_from(entry), -EINVAL);
  check_equal("into the M2P", write_to((const void *)HYPERVISOR_VIRT_START), -EFAULT);
  check_equal("behind everything", send_from((const void *)0xFFFFFFFCu), -EFAULT);
  check_equal("around the end", write_to((const void *)0xFFFFFFFCu), -EFAULT);

  struct sched_poll poll = {(evtchn_port_t *)HYPERVISOR_VIRT_START, 1, 1};
  check_equal("a list in Xen's area", HYPERVISOR_sched_op(SCHEDOP_poll, &poll), -EFAULT);
  check_equal("from a page table", send_from((const void *)(start_info->pt_base + 4)), -EINVAL); /* port 0 */
  check_equal("into a page table", write_to((const void *)start_info->pt_base), -EFAULT);
}
