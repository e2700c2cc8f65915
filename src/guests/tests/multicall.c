/*
 * multicall: several hypercalls in one.
 *
 * - Executed in order, each result in its entry; the answer is 0 even if one failed.
 * - A multicall inside is -EINVAL and the rest still runs.
 * - A list that cannot be read is -EFAULT; what came before has been done.
 */
#include "harness.h"
#include "xen/version.h"

#define XEN_VERSION_OP 17
#define MULTICALL_OP 13
#define UPDATE_VA_MAPPING_OP 14

static PAGE_ALIGNED struct {
  char before[PAGE_SIZE];
  char page[PAGE_SIZE];
} pages;

TEST("multicall") {
  pte_t readonly = make_pte(va_to_mfn(va_of(pages.page)), PTE_P | PTE_A);
  struct multicall_entry list[5] = {
      {XEN_VERSION_OP, 77, {XENVER_version, 0}},
      {63, 77, {0}},
      {MULTICALL_OP, 77, {0, 0}},
      {UPDATE_VA_MAPPING_OP, 77, {va_of(pages.page), (uint32_t)readonly, (uint32_t)(readonly >> 32),
                                  UVMF_INVLPG}},
      {XEN_VERSION_OP, 77, {XENVER_pagesize, 0}},
  };
  check_equal("answer", HYPERVISOR_multicall(list, 5), 0);
  check_equal("version", list[0].result, 0x00040011);
  check_equal("unknown number", list[1].result, -ENOSYS);
  check_equal("multicall inside", list[2].result, -EINVAL);
  check_equal("update_va_mapping", list[3].result, 0);
  check_equal("pagesize", list[4].result, PAGE_SIZE);
  expect_trap("the mapping is in force", store_byte, va_of(pages.page), VECTOR_PF, 3, store_byte_at);
  check_equal("no entries", HYPERVISOR_multicall(list, 0), 0);
  check_equal("bad list", HYPERVISOR_multicall(0, 1), -EFAULT);

  /* The second entry lies in a page that is not there. */
  struct multicall_entry *last = (struct multicall_entry *)(pages.before + PAGE_SIZE) - 1;
  HYPERVISOR_update_va_mapping(va_of(pages.page), 0, UVMF_INVLPG);
  *last = (struct multicall_entry){XEN_VERSION_OP, 77, {XENVER_version, 0}};
  check_equal("list that ends nowhere", HYPERVISOR_multicall(last, 2), -EFAULT);
  remap_page(va_of(pages.page), PTE_KERNEL);
}
