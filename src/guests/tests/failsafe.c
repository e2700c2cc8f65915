/*
 * The failsafe callback: what happens when a data segment register cannot be loaded again.
 *
 * - Registers hold what was loaded into them while nobody else runs. When another
 *   virtual processor has run in between, Xen loads DS, ES, FS and GS from the
 *   descriptor tables as they are now.
 * - A selector that is refused becomes 0 and the callback is entered, with the four
 *   selectors as they were on top of an ordinary frame.
 * - It runs on Xen's flat ring-1 segments whatever CS was registered, and with
 *   events masked only if it asked for that.
 */
#include "events.h"
#include "harness.h"
#include "memory.h"
#include "xen/event_channel.h"
#include "xen/sched.h"

extern char failsafe_kept[];
void load_fs(uint32_t selector);
uint32_t read_fs(void);
extern volatile uint32_t failsafe_frame[7], failsafe_esp, failsafe_fs, failsafe_cs, failsafe_ss;

static PAGE_ALIGNED uint64_t gdt[512];
#define CALLBACKF_mask_events 1u
#define SELECTOR 9u /* entry 1, ring 1 */
#define DATA_FLAT 0x00CFB3000000FFFFull
#define PRESENT 0x0000800000000000ull

static void put(uint64_t value) {
  uint64_t at = make_pte(va_to_mfn(va_of(gdt)), 8);
  check_equal("update_descriptor", HYPERVISOR_update_descriptor(at, value), 0);
}

/* Lets somebody else run: the store's back end has to look at its ring. */
static void step_aside(void) {
  evtchn_port_t port = start_info->store_evtchn;
  failsafe_esp = 0;
  check_equal("send", HYPERVISOR_event_channel_op(EVTCHNOP_send, &port), 0);
  HYPERVISOR_sched_op(SCHEDOP_yield, 0);
}

static void spoiled(uint16_t masks) {
  struct callback_register request = {CALLBACKTYPE_failsafe, masks, FLAT_RING3_CS, va_of(failsafe_kept)};
  check_equal("register", HYPERVISOR_callback_op(CALLBACKOP_register, &request), 0);
  *event_mask() = 1;
  put(DATA_FLAT);
  load_fs(SELECTOR);
  put(DATA_FLAT & ~PRESENT);
  check_equal("fs while nobody else runs", read_fs(), SELECTOR);
  step_aside();
  check(failsafe_esp != 0, "the callback was not entered");
  check_equal("ds", failsafe_frame[0] & 0xFFFF, FLAT_RING1_DS);
  check_equal("es", failsafe_frame[1] & 0xFFFF, FLAT_RING1_DS);
  check_equal("fs", failsafe_frame[2] & 0xFFFF, SELECTOR);
  check_equal("gs", failsafe_frame[3] & 0xFFFF, FLAT_RING1_DS);
  check_equal("cs and mask", failsafe_frame[5], FLAT_RING1_CS | 1u << 16);
  check_equal("IF in the frame", failsafe_frame[6] & EFLAGS_IF, 0);
  check_equal("fs in the callback", failsafe_fs & 0xFFFF, 0);
  check_equal("cs of the callback", failsafe_cs & 0xFFFF, FLAT_RING1_CS);
  check_equal("ss of the callback", failsafe_ss & 0xFFFF, FLAT_RING1_DS);
  check_equal("fs afterwards", read_fs(), 0);
}

TEST("failsafe") {
  uint32_t mfn = va_to_mfn(va_of(gdt));
  check_equal("read-only", remap_page(va_of(gdt), PTE_P | PTE_A | PTE_D), 0);
  check_equal("set_gdt", HYPERVISOR_set_gdt(&mfn, 512), 0);
  spoiled(0);
  spoiled(CALLBACKF_mask_events);
  put(DATA_FLAT);
  load_fs(SELECTOR);
  step_aside();
  check_equal("a good one: the callback", failsafe_esp, 0);
  check_equal("a good one: fs", read_fs(), SELECTOR);
}
