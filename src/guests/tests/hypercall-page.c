/*
 * The hypercall page, unknown numbers, xen_version, and calls that are not for us.
 *
 * - Stub n is `mov eax, n; int 0x82; ret`; number 23 (iret) pushes EAX first and has no ret.
 * - INT 0x82 works without the page. EFLAGS and EBP survive; an unknown number
 *   gives -ENOSYS and leaves the arguments alone.
 * - xen_version answers as Xen 4.17 to a 32-bit PAE domain.
 * - domctl and sysctl refuse in Xen's order: -EFAULT, -EACCES (version), -EPERM.
 */
#include "harness.h"
#include "string.h"
#include "xen/version.h"

#define INTERFACE_VERSION 0x15u

extern uint8_t hypercall_page[];
void call_with_state(void);
extern struct {
  uint32_t eax, ebx, ecx, edx, esi, edi, ebp, eflags;
} state;

static void stubs(void) {
  for (unsigned n = 0; n < 128; n++) {
    const uint8_t *stub = &hypercall_page[32 * n];
    if (n == 23) {
      static const uint8_t iret[] = {0x50, 0xB8, 23, 0, 0, 0, 0xCD, 0x82};
      check(memcmp(stub, iret, sizeof iret) == 0, "stub 23 is not push eax; mov eax, 23; int 0x82");
    } else {
      const uint8_t want[] = {0xB8, (uint8_t)n, 0, 0, 0, 0xCD, 0x82, 0xC3};
      check(memcmp(stub, want, sizeof want) == 0, "stub %u is not mov eax, %u; int 0x82; ret", n, n);
    }
  }
}

static void unknown_numbers(void) {
  static const uint32_t numbers[] = {11, 25, 38, 43, 44, 45, 46, 47, 50, 55, 63, 64, 127, 128, 0x7FFFFFFF,
                                     0xFFFFFFFF};
  for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    int rc = hypercall(numbers[i], 1, 2, 3, 4, 5);
    check(rc == -ENOSYS, "hypercall %u answers %d", numbers[i], rc);
  }
}

static void registers(void) {
  uint32_t flags = 0x202 | EFLAGS_CF | EFLAGS_DF | 0x8D4; /* OF SF ZF AF PF */
  state.eax = 63;
  state.ebx = 0x11111111;
  state.ecx = 0x22222222;
  state.edx = 0x33333333;
  state.esi = 0x44444444;
  state.edi = 0x55555555;
  state.ebp = 0x66666666;
  state.eflags = flags;
  call_with_state();
  check_equal("eax", state.eax, (uint32_t)-ENOSYS);
  check_equal("ebx after -ENOSYS", state.ebx, 0x11111111);
  check_equal("ecx after -ENOSYS", state.ecx, 0x22222222);
  check_equal("edx after -ENOSYS", state.edx, 0x33333333);
  check_equal("esi after -ENOSYS", state.esi, 0x44444444);
  check_equal("edi after -ENOSYS", state.edi, 0x55555555);
  check_equal("ebp after -ENOSYS", state.ebp, 0x66666666);
  check_equal("eflags", state.eflags, flags);

  state.eax = 17; /* xen_version uses ebx and ecx only */
  state.ebx = XENVER_version;
  state.ecx = 0;
  call_with_state();
  check_equal("version by int 0x82", state.eax, 0x00040011);
  check_equal("edx is not an argument", state.edx, 0x33333333);
  check_equal("ebp", state.ebp, 0x66666666);
}

static void version(void) {
  char text[1024];
  struct xen_feature_info features = {0, 0};
  uint32_t virt_start = 0;

  check_equal("version 4.17", HYPERVISOR_xen_version(XENVER_version, 0), 0x00040011);
  memset(text, 0x55, sizeof text);
  check_equal("extraversion", HYPERVISOR_xen_version(XENVER_extraversion, text), 0);
  size_t length = strlen(text);
  check(length < 16, "extraversion has no end");
  for (size_t i = length; i < 16; i++) check(text[i] == 0, "extraversion byte %u is not cleared", i);
  check_equal("behind extraversion", (uint8_t)text[16], 0x55);

  check_equal("capabilities", HYPERVISOR_xen_version(XENVER_capabilities, text), 0);
  int found = 0;
  for (const char *at = text; *at != 0; at++) found |= strncmp(at, "xen-3.0-x86_32p ", 16) == 0;
  check(found, "capabilities lack xen-3.0-x86_32p");

  check_equal("platform_parameters", HYPERVISOR_xen_version(XENVER_platform_parameters, &virt_start), 0);
  check_equal("virt_start", virt_start, HYPERVISOR_VIRT_START);
  check_equal("get_features", HYPERVISOR_xen_version(XENVER_get_features, &features), 0);
  check_equal("features", features.submap,
              1u << XENFEAT_pae_pgdir_above_4gb | 1u << XENFEAT_mmu_pt_update_preserve_ad |
                  1u << XENFEAT_highmem_assist | 1u << XENFEAT_gnttab_map_avail_bits |
                  1u << XENFEAT_memory_op_vnode_supported | 1u << XENFEAT_direct_mapped);
  features.submap_idx = 1;
  check_equal("features, page 1", HYPERVISOR_xen_version(XENVER_get_features, &features), -EINVAL);

  check_equal("pagesize", HYPERVISOR_xen_version(XENVER_pagesize, 0), PAGE_SIZE);
  check_equal("pagesize with an argument", HYPERVISOR_xen_version(XENVER_pagesize, text), -EINVAL);
  check_equal("guest_handle", HYPERVISOR_xen_version(XENVER_guest_handle, text), 0);
  check_equal("commandline", HYPERVISOR_xen_version(XENVER_commandline, text), 0);
  check(strcmp(text, "<denied>") == 0, "commandline says \"%s\"", text);
  check_equal("build_id", HYPERVISOR_xen_version(XENVER_build_id, 0), -EPERM);
  check_equal("unknown command", HYPERVISOR_xen_version(99, 0), -ENOSYS);
  check_equal("bad pointer", HYPERVISOR_xen_version(XENVER_extraversion, 0), -EFAULT);
  check_equal("pointer into the M2P", HYPERVISOR_xen_version(XENVER_extraversion,
                                                             (void *)HYPERVISOR_VIRT_START),
              -EFAULT);
}

static void not_for_us(void) {
  uint32_t request[36] = {4 /* both: some command */, INTERFACE_VERSION, 0};
  check_equal("domctl", HYPERVISOR_domctl(request), -EPERM);
  check_equal("sysctl", HYPERVISOR_sysctl(request), -EPERM);
  request[0] = 0x7777;
  check_equal("domctl, unknown command", HYPERVISOR_domctl(request), -EPERM);
  request[1] = 1;
  check_equal("domctl, old version", HYPERVISOR_domctl(request), -EACCES);
  check_equal("sysctl, old version", HYPERVISOR_sysctl(request), -EACCES);
  check_equal("domctl, bad pointer", HYPERVISOR_domctl(0), -EFAULT);
  check_equal("sysctl, bad pointer", HYPERVISOR_sysctl(0), -EFAULT);
}

TEST("hypercall-page") {
  stubs();
  unknown_numbers();
  registers();
  version();
  not_for_us();
}
