/*
 * The core of the Xen interface for a 32-bit PAE paravirtualised kernel.
 *
 * Offsets in comments are what Xen and the guest agree on; the ABI_SIZE lines
 * make the compiler check that the structures still add up. On i386 a 64-bit
 * field is aligned to 4 bytes inside a structure: Xen's tables rely on it.
 */
#ifndef XEN_ABI_H
#define XEN_ABI_H

#include <stddef.h>
#include <stdint.h>

#define ABI_SIZE(type, size) typedef char size_of_##type[sizeof(struct type) == (size) ? 1 : -1]

typedef uint16_t domid_t;
typedef uint32_t evtchn_port_t;
typedef uint32_t grant_ref_t;
typedef uint32_t grant_handle_t;
typedef uint64_t pte_t;

/* Domain numbers with a meaning of their own. */
#define DOMID_SELF 0x7FF0u
#define DOMID_IO 0x7FF1u
#define DOMID_XEN 0x7FF2u
#define DOMID_INVALID 0x7FF4u

/* Selectors that Xen's own GDT page offers to every guest: flat, 4 GiB. */
#define FLAT_RING1_CS 0xE019u
#define FLAT_RING1_DS 0xE021u
#define FLAT_RING3_CS 0xE02Bu
#define FLAT_RING3_DS 0xE033u

/* Where the hypervisor begins. The only thing to see there is the M2P table. */
#define HYPERVISOR_VIRT_START 0xF5800000u

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096u
#define PAGE_MASK 0xFFFFF000u

/* Page-table entry bits (PAE: entries are 64 bits wide). */
#define PTE_P 0x001u
#define PTE_RW 0x002u
#define PTE_US 0x004u
#define PTE_PWT 0x008u
#define PTE_PCD 0x010u
#define PTE_A 0x020u
#define PTE_D 0x040u
#define PTE_PSE 0x080u
#define PTE_G 0x100u
#define PTE_NX 0x8000000000000000ull

/* EFLAGS bits. */
#define EFLAGS_CF 0x00000001u
#define EFLAGS_TF 0x00000100u
#define EFLAGS_IF 0x00000200u
#define EFLAGS_DF 0x00000400u
#define EFLAGS_IOPL 0x00003000u
#define EFLAGS_NT 0x00004000u
#define EFLAGS_AC 0x00040000u

/* set_trap_table: one virtual IDT gate. The list ends at address 0. */
struct trap_info {
  uint8_t vector;
  uint8_t flags; /* TI_DPL | TI_MASK_EVENTS */
  uint16_t cs;
  uint32_t address;
};
ABI_SIZE(trap_info, 8);
#define TI_DPL(level) (level)
#define TI_MASK_EVENTS 4u

/* mmu_update: write `val` to the entry at machine address `ptr`; its low bits choose the command. */
struct mmu_update {
  uint64_t ptr;
  uint64_t val;
};
ABI_SIZE(mmu_update, 16);
#define MMU_NORMAL_PT_UPDATE 0u
#define MMU_MACHPHYS_UPDATE 1u
#define MMU_PT_UPDATE_PRESERVE_AD 2u

/* mmuext_op: what mov cr3, invlpg and lldt would do on a machine of one's own. */
struct mmuext_op {
  uint32_t cmd;
  uint32_t arg1; /* mfn, or linear address */
  uint32_t arg2; /* number of entries, mask of vCPUs, or source mfn */
};
ABI_SIZE(mmuext_op, 12);
#define MMUEXT_PIN_L1_TABLE 0u
#define MMUEXT_PIN_L2_TABLE 1u
#define MMUEXT_PIN_L3_TABLE 2u
#define MMUEXT_PIN_L4_TABLE 3u
#define MMUEXT_UNPIN_TABLE 4u
#define MMUEXT_NEW_BASEPTR 5u
#define MMUEXT_TLB_FLUSH_LOCAL 6u
#define MMUEXT_INVLPG_LOCAL 7u
#define MMUEXT_TLB_FLUSH_ALL 10u
#define MMUEXT_FLUSH_CACHE 12u
#define MMUEXT_SET_LDT 13u
#define MMUEXT_NEW_USER_BASEPTR 15u
#define MMUEXT_CLEAR_PAGE 16u
#define MMUEXT_COPY_PAGE 17u
#define MMUEXT_MARK_SUPER 19u

/* update_va_mapping: what to flush afterwards. */
#define UVMF_NONE 0u
#define UVMF_TLB_FLUSH 1u
#define UVMF_INVLPG 2u
#define UVMF_ALL 4u

/* vm_assist */
#define VMASST_CMD_ENABLE 0u
#define VMASST_CMD_DISABLE 1u
#define VMASST_TYPE_writable_pagetables 2u
#define VMASST_TYPE_pae_extended_cr3 3u

/* console_io */
#define CONSOLEIO_write 0
#define CONSOLEIO_read 1

/* callback_op */
struct callback_register {
  uint16_t type;
  uint16_t flags; /* 1: mask events on entry */
  uint32_t cs;
  uint32_t eip;
};
ABI_SIZE(callback_register, 12);
#define CALLBACKOP_register 0u
#define CALLBACKOP_unregister 1u
#define CALLBACKTYPE_event 0u
#define CALLBACKTYPE_failsafe 1u
#define CALLBACKTYPE_nmi 4u

/* multicall: several hypercalls for the price of one trap. */
struct multicall_entry {
  uint32_t op;
  int32_t result;
  uint32_t args[6];
};
ABI_SIZE(multicall_entry, 32);

/*
 * Time, as Xen tells it: nanoseconds at a TSC value and how to go on from there.
 * `version` is odd while Xen writes; a reader retries when it was odd or has changed.
 */
struct vcpu_time_info {
  uint32_t version;
  uint32_t pad0;
  uint64_t tsc_timestamp;
  uint64_t system_time;
  uint32_t tsc_to_system_mul;
  int8_t tsc_shift;
  uint8_t flags;
  uint8_t pad1[2];
};
ABI_SIZE(vcpu_time_info, 32);

struct vcpu_info {
  uint8_t evtchn_upcall_pending;
  uint8_t evtchn_upcall_mask; /* 1 = upcalls held back: the paravirtual IF, inverted */
  uint8_t pad0[2];
  uint32_t evtchn_pending_sel; /* bit n: word n of evtchn_pending deserves a look */
  uint32_t cr2;
  uint32_t pad1[5];
  struct vcpu_time_info time;
};
ABI_SIZE(vcpu_info, 64);

#define MAX_VCPU_INFO 32
#define EVTCHN_WORDS 32

struct shared_info {
  struct vcpu_info vcpu_info[MAX_VCPU_INFO];
  uint32_t evtchn_pending[EVTCHN_WORDS];
  uint32_t evtchn_mask[EVTCHN_WORDS];
  uint32_t wc_version;
  uint32_t wc_sec;
  uint32_t wc_nsec;
  uint32_t max_pfn;
  uint32_t pfn_to_mfn_frame_list_list;
  uint32_t nmi_reason;
  uint32_t p2m_cr3;
  uint32_t p2m_vaddr;
  uint32_t p2m_generation;
  uint32_t wc_sec_hi;
};
ABI_SIZE(shared_info, 2344);

/* The letter Xen leaves for a new kernel; ESI holds its address at the entry point. */
struct start_info {
  char magic[32]; /* "xen-3.0-x86_32p" */
  uint32_t nr_pages;
  uint32_t shared_info; /* a machine address: map it before use */
  uint32_t flags;
  uint32_t store_mfn;
  uint32_t store_evtchn;
  uint32_t console_mfn;
  uint32_t console_evtchn;
  uint32_t pt_base; /* virtual address of the top page table */
  uint32_t nr_pt_frames;
  uint32_t mfn_list; /* virtual address of the P2M list */
  uint32_t mod_start;
  uint32_t mod_len;
  char cmd_line[1024];
  uint32_t first_p2m_pfn;
  uint32_t nr_p2m_frames;
};
ABI_SIZE(start_info, 1112);

/* What the machine-to-physical table holds for a frame that has no pfn. */
#define INVALID_M2P_ENTRY 0xFFFFFFFFu
#define INVALID_P2M_ENTRY 0xFFFFFFFFu

#endif
