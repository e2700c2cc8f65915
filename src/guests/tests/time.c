/*
 * Time: the TSC, system time from it, the wall clock, and one-shot timers.
 *
 * - The version of the time info is even at rest; computed system time never goes back.
 * - The TSC runs at 100 MHz here: 100 ticks are a microsecond.
 * - A one-shot timer fires at its deadline, not before; setting it again replaces it; 0 cancels it.
 * - poll with a timeout returns when that time has come.
 * - A deadline in the past fires at once.
 */
#include "cpu.h"
#include "events.h"
#include "harness.h"
#include "xen/sched.h"
#include "xen/vcpu.h"

#define MILLISECOND 1000000u

static uint64_t scale(const struct vcpu_time_info *info, uint64_t delta) {
  if (info->tsc_shift >= 0)
    delta <<= info->tsc_shift;
  else
    delta >>= -info->tsc_shift;
  return multiply_shift32(delta, info->tsc_to_system_mul);
}

static struct vcpu_time_info read_info(void) {
  volatile struct vcpu_time_info *shared = &shared_info->vcpu_info[0].time;
  struct vcpu_time_info info;
  do {
    info = *shared;
    memory_barrier();
  } while ((info.version & 1) || info.version != shared->version);
  return info;
}

static uint64_t now(void) {
  struct vcpu_time_info info = read_info();
  return info.system_time + scale(&info, read_tsc() - info.tsc_timestamp);
}

static volatile unsigned fired;
static void on_timer(evtchn_port_t port) {
  (void)port;
  fired++;
}

static void wait_for_timer(void) {
  events_disable();
  while (!fired) events_sleep();
}

static void clocks(void) {
  struct vcpu_time_info info = read_info();
  check(info.version >= 2, "version %u", info.version);
  check((info.tsc_to_system_mul & 0x80000000u) != 0, "multiplier 0x%x", info.tsc_to_system_mul);
  uint64_t ns = scale(&info, 100000);
  check(ns >= 999999 && ns <= 1000001, "100,000 ticks are %llu ns", ns);
  check(info.tsc_timestamp <= read_tsc(), "the TSC stamp lies in the future");
  uint64_t before = now();
  for (unsigned i = 0; i < 1000; i++) {
    uint64_t after = now();
    if (after < before) check(0, "time went back from %llu to %llu", before, after);
    before = after;
  }
  check((shared_info->wc_version & 1) == 0 && shared_info->wc_version != 0, "wall clock version %u",
        shared_info->wc_version);
  check(shared_info->wc_nsec < 1000000000u, "wall clock: %u ns", shared_info->wc_nsec);
  check(shared_info->wc_sec != 0, "wall clock is not set");
}

static void one_shot(void) {
  uint64_t start = now(), deadline = start + 3 * MILLISECOND;
  fired = 0;
  check_equal("set_timer_op", HYPERVISOR_set_timer_op(deadline), 0);
  wait_for_timer();
  uint64_t end = now();
  check(end >= deadline, "fired %llu ns too early", deadline - end);
  check(end < deadline + MILLISECOND, "fired %llu ns too late", end - deadline);

  fired = 0;
  start = now();
  HYPERVISOR_set_timer_op(start + 500 * MILLISECOND);
  HYPERVISOR_set_timer_op(start + 2 * MILLISECOND);
  wait_for_timer();
  check(now() < start + 100 * MILLISECOND, "the replaced deadline still counted");

  fired = 0;
  HYPERVISOR_set_timer_op(1);
  wait_for_timer();
  check_equal("a deadline in the past", fired, 1);
}

static void cancelled(void) {
  evtchn_port_t port = start_info->store_evtchn; /* nobody rings here */
  uint64_t start = now();
  fired = 0;
  HYPERVISOR_set_timer_op(start + 2 * MILLISECOND);
  HYPERVISOR_set_timer_op(0);
  events_disable();
  atomic_set_bit(shared_info->evtchn_mask, port);
  atomic_clear_bit(shared_info->evtchn_pending, port);
  struct sched_poll poll = {&port, 1, start + 5 * MILLISECOND};
  check_equal("poll", HYPERVISOR_sched_op(SCHEDOP_poll, &poll), 0);
  check(now() >= start + 5 * MILLISECOND, "poll returned %llu ns early", start + 5 * MILLISECOND - now());
  events_enable();
  check_equal("a cancelled timer fired", fired, 0);
}

TEST("time") {
  events_init();
  clocks();
  struct evtchn_bind_virq bind = {VIRQ_TIMER, 0, 0};
  HYPERVISOR_vcpu_op(VCPUOP_stop_periodic_timer, 0, 0); /* only what we ask for */
  check_equal("bind_virq", HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &bind), 0);
  event_set_handler(bind.port, on_timer);
  one_shot();
  cancelled();
}
