/*
 * Hypercalls as C functions (lib/hypercalls.asm). All return 0 or a positive
 * answer, or a negated number from xen/errno.h.
 */
#ifndef HYPERCALL_H
#define HYPERCALL_H

#include "xen/abi.h"

int HYPERVISOR_set_trap_table(const struct trap_info *list);
int HYPERVISOR_mmu_update(const struct mmu_update *list, uint32_t count, uint32_t *done, uint32_t foreigndom);
int HYPERVISOR_set_gdt(const uint32_t *mfns, uint32_t entries);
int HYPERVISOR_stack_switch(uint32_t ss, uint32_t esp);
int HYPERVISOR_set_callbacks(uint32_t event_cs, uint32_t event_eip, uint32_t failsafe_cs, uint32_t failsafe_eip);
int HYPERVISOR_fpu_taskswitch(int set);
int HYPERVISOR_set_debugreg(uint32_t reg, uint32_t value);
uint32_t HYPERVISOR_get_debugreg(uint32_t reg);
int HYPERVISOR_update_descriptor(uint64_t maddr, uint64_t descriptor);
int HYPERVISOR_memory_op(uint32_t cmd, void *arg);
int HYPERVISOR_multicall(struct multicall_entry *list, uint32_t count);
int HYPERVISOR_update_va_mapping(uint32_t va, pte_t pte, uint32_t flags);
int HYPERVISOR_set_timer_op(uint64_t system_time_ns);
int HYPERVISOR_xen_version(uint32_t cmd, void *arg);
int HYPERVISOR_console_io(int cmd, uint32_t count, const char *buffer);
int HYPERVISOR_grant_table_op(uint32_t cmd, void *list, uint32_t count);
int HYPERVISOR_vm_assist(uint32_t cmd, uint32_t type);
int HYPERVISOR_update_va_mapping_otherdomain(uint32_t va, pte_t pte, uint32_t flags, uint32_t domid);
int HYPERVISOR_vcpu_op(uint32_t cmd, uint32_t vcpu, void *arg);
int HYPERVISOR_mmuext_op(const struct mmuext_op *list, uint32_t count, uint32_t *done, uint32_t foreigndom);
int HYPERVISOR_nmi_op(uint32_t cmd, void *arg);
int HYPERVISOR_sched_op(uint32_t cmd, void *arg);
int HYPERVISOR_callback_op(uint32_t cmd, void *arg);
int HYPERVISOR_event_channel_op(uint32_t cmd, void *arg);
int HYPERVISOR_physdev_op(uint32_t cmd, void *arg);
int HYPERVISOR_sysctl(void *arg);
int HYPERVISOR_domctl(void *arg);

/* Any number, even one that does not exist. */
int hypercall(uint32_t number, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t a4, uint32_t a5);

#endif
