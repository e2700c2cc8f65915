/*
 * Debug registers, stored and returned: by hypercall, and by MOV, which is emulated.
 *
 * - DR0-3 hold any 32-bit address. DR6 and DR7 have bits that are always 1.
 * - DR4 and DR5 are other names for DR6 and DR7.
 * - DR7 with GD is -EPERM; other registers are -ENODEV.
 */
#include "harness.h"

uint32_t read_dr7(void), read_dr0(void);
void write_dr0(uint32_t value);

#define DR6_ALWAYS_ONE 0xFFFF0FF0u
#define DR7_ALWAYS_ONE 0x00000400u
#define DR7_GD 0x00002000u

TEST("debug-registers") {
  check_equal("DR6 at the start", HYPERVISOR_get_debugreg(6), DR6_ALWAYS_ONE);
  check_equal("DR7 at the start", HYPERVISOR_get_debugreg(7), DR7_ALWAYS_ONE);
  check_equal("MOV from DR7", read_dr7(), DR7_ALWAYS_ONE);
  for (uint32_t reg = 0; reg < 4; reg++) {
    check_equal("set", HYPERVISOR_set_debugreg(reg, 0xC0001000 + reg), 0);
    check_equal("get", HYPERVISOR_get_debugreg(reg), 0xC0001000 + reg);
  }
  write_dr0(0x1234);
  check_equal("MOV to DR0", HYPERVISOR_get_debugreg(0), 0x1234);
  check_equal("MOV from DR0", read_dr0(), 0x1234);
  check_equal("set DR6", HYPERVISOR_set_debugreg(6, 0), 0);
  check_equal("get DR6", HYPERVISOR_get_debugreg(6), DR6_ALWAYS_ONE);
  check_equal("DR4", HYPERVISOR_get_debugreg(4), DR6_ALWAYS_ONE);
  check_equal("DR5", HYPERVISOR_get_debugreg(5), DR7_ALWAYS_ONE);
  check_equal("DR7 with GD", HYPERVISOR_set_debugreg(7, DR7_GD), -EPERM);
  check_equal("set DR8", HYPERVISOR_set_debugreg(8, 0), -ENODEV);
  check_equal("get DR8", HYPERVISOR_get_debugreg(8), (uint32_t)-ENODEV);
}
