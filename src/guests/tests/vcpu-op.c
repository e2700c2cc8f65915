/*
 * vcpu_op for the one vCPU there is.
 *
 * - is_up, runstate (its times add up and go on), timers and their limits.
 * - A runstate area is filled at once and kept up to date.
 * - register_vcpu_info moves vcpu_info: contents are copied, everything is marked
 *   pending, and it works once.
 * - Any other vCPU is -ENOENT, whatever the command.
 */
#include "harness.h"
#include "string.h"
#include "xen/sched.h"
#include "xen/vcpu.h"

static PAGE_ALIGNED char place[PAGE_SIZE];
static struct vcpu_runstate_info area;

static int op(uint32_t cmd, void *arg) { return HYPERVISOR_vcpu_op(cmd, 0, arg); }

static void basics(void) {
  check_equal("is_up", op(VCPUOP_is_up, 0), 1);
  check_equal("up", op(VCPUOP_up, 0), 0);
  check_equal("initialise", op(VCPUOP_initialise, place), -EEXIST);
  check_equal("vCPU 1", HYPERVISOR_vcpu_op(VCPUOP_is_up, 1, 0), -ENOENT);
  check_equal("vCPU 1, unknown command", HYPERVISOR_vcpu_op(99, 1, 0), -ENOENT);
  check_equal("unknown command", op(99, 0), -ENOSYS);
}

static void runstate(void) {
  struct vcpu_runstate_info first, second;
  check_equal("get_runstate_info", op(VCPUOP_get_runstate_info, &first), 0);
  check_equal("state", first.state, RUNSTATE_running);
  HYPERVISOR_sched_op(SCHEDOP_yield, 0);
  op(VCPUOP_get_runstate_info, &second);
  check(second.time[RUNSTATE_running] >= first.time[RUNSTATE_running], "running time went back");
  check(second.time[RUNSTATE_running] > 0, "no running time");
  check(second.time[RUNSTATE_offline] == first.time[RUNSTATE_offline], "offline time while running");

  struct vcpu_register_runstate_memory_area request = {va_of(&area)};
  area.state = 77;
  check_equal("register an area", op(VCPUOP_register_runstate_memory_area, &request), 0);
  check_equal("its state", area.state, RUNSTATE_running);
  check_equal("bad pointer", op(VCPUOP_get_runstate_info, 0), -EFAULT);
}

static void timers(void) {
  struct vcpu_set_periodic_timer fast = {999999}, slow = {10000000};
  struct vcpu_set_singleshot_timer once = {1, 0};
  check_equal("period below 1 ms", op(VCPUOP_set_periodic_timer, &fast), -EINVAL);
  check_equal("period of 10 ms", op(VCPUOP_set_periodic_timer, &slow), 0);
  check_equal("stop it", op(VCPUOP_stop_periodic_timer, 0), 0);
  check_equal("one shot", op(VCPUOP_set_singleshot_timer, &once), 0);
  check_equal("stop it", op(VCPUOP_stop_singleshot_timer, 0), 0);
  check_equal("bad pointer", op(VCPUOP_set_singleshot_timer, 0), -EFAULT);
}

/* The last act: the harness keeps looking at the old place. */
static void move(void) {
  volatile struct vcpu_info *here = (volatile struct vcpu_info *)(place + 128);
  struct vcpu_register_vcpu_info request = {va_to_mfn(va_of(place)), 4090, 0};
  int rc = op(VCPUOP_register_vcpu_info, &request);
  check(rc == -ENXIO || rc == -EINVAL, "across the end of the page: %d", rc);
  request.offset = 130;
  rc = op(VCPUOP_register_vcpu_info, &request);
  check(rc == -ENXIO || rc == -EINVAL, "not aligned: %d", rc);
  request.offset = 128;
  shared_info->vcpu_info[0].cr2 = 0x12345678;
  check_equal("register_vcpu_info", op(VCPUOP_register_vcpu_info, &request), 0);
  check_equal("cr2 came along", here->cr2, 0x12345678);
  check_equal("the mask came along", here->evtchn_upcall_mask, 1);
  check_equal("everything is pending", here->evtchn_pending_sel, 0xFFFFFFFF);
  check_equal("and said to be", here->evtchn_upcall_pending, 1);
  rc = op(VCPUOP_register_vcpu_info, &request);
  check(rc == -EBUSY || rc == -EINVAL, "a second time: %d", rc);
  here->cr2 = 0;
  expect_trap("a fault", load_byte, 0x00000777, VECTOR_PF, 0, load_byte_at);
  check_equal("cr2 of a fault", here->cr2, 0x00000777);
}

TEST("vcpu-op") {
  basics();
  runstate();
  timers();
  move();
}
