/*
 * Two kernels, one page: the asking half.
 *
 * ping lends a page to pong, makes a ring of it, and sends numbered messages. It
 * sends the next one when the last is answered. Command line:
 *
 *   count=N     how many messages: 20 if not given, 1000 with no-recheck
 *   no-recheck  fall asleep without a last look at the ring: see wait_for_response
 */
#include "console.h"
#include "cpu.h"
#include "events.h"
#include "grants.h"
#include "hypercall.h"
#include "memory.h"
#include "print.h"
#include "protocol.h"
#include "string.h"
#include "xen/sched.h"
#include "xenstore.h"

static PAGE_ALIGNED struct shared_ring shared_ring;
static struct ring_header *ring = &shared_ring.header;

static uint32_t req_prod; /* requests written */
static uint32_t rsp_cons; /* responses read */

static evtchn_port_t port;
static volatile int rung; /* the bell has rung since we last slept */
static int recheck;

static void on_bell(evtchn_port_t from) {
  (void)from;
  rung = 1;
}

static void check(int rc, const char *what) {
  if (rc < 0) panic("XenStore, %s: %d", what, rc);
}

/* Leave an open letter box in XenStore and wait until somebody puts a domain number in. */
static domid_t wait_for_partner(void) {
  char path[64], perms[16];
  int me = xs_read_number(XS_NO_TRANSACTION, "domid");
  check(me, "domid");

  check(xs_write(XS_NO_TRANSACTION, PING_DIRECTORY "/partner", ""), "partner");
  size_t size = format(perms, sizeof perms, "b%d", me) + 1; /* everybody may read and write it */
  check(xs_set_perms(XS_NO_TRANSACTION, PING_DIRECTORY "/partner", perms, size), "partner's permissions");

  check(xs_watch(PING_DIRECTORY "/partner", "partner"), "watch");
  check(xs_write(XS_NO_TRANSACTION, PING_DIRECTORY "/state", "open"), "state");
  size = format(perms, sizeof perms, "r%d", me) + 1; /* everybody may read it */
  check(xs_set_perms(XS_NO_TRANSACTION, PING_DIRECTORY "/state", perms, size), "state's permissions");

  for (;;) {
    xs_next_event(path, sizeof path);
    int partner = xs_read_number(XS_NO_TRANSACTION, PING_DIRECTORY "/partner");
    if (partner > 0) return (domid_t)partner;
  }
}

/* Make one number readable for the partner alone. */
static void publish(int me, domid_t partner, const char *path, unsigned value) {
  char perms[32];
  check(xs_write_number(XS_NO_TRANSACTION, path, value), path);
  size_t first = format(perms, sizeof perms, "n%d", me) + 1;
  size_t second = format(perms + first, sizeof perms - first, "r%u", partner) + 1;
  check(xs_set_perms(XS_NO_TRANSACTION, path, perms, first + second), path);
}

static grant_ref_t open_ring(domid_t partner) {
  ring->req_prod = ring->rsp_prod = 0;
  ring->req_event = ring->rsp_event = 1; /* both sides sleep until the very first message */

  grant_ref_t ref = grant_access(partner, &shared_ring, 0);
  port = event_alloc_unbound(partner);
  event_set_handler(port, on_bell);
  events_enable();

  int me = xs_read_number(XS_NO_TRANSACTION, "domid");
  publish(me, partner, PING_DIRECTORY "/ring-ref", ref);
  publish(me, partner, PING_DIRECTORY "/event-channel", port);
  check(xs_write(XS_NO_TRANSACTION, PING_DIRECTORY "/state", "ready"), "state");
  print("ping: page granted as %u to domain %u, port %u\n", ref, partner, port);
  return ref;
}

static void send(uint32_t number) {
  struct message *request = ring_slot(&shared_ring, req_prod);
  request->number = number;
  memset(request->text, 0, sizeof request->text);
  request->length = format(request->text, sizeof request->text, number ? "ping %u" : "goodbye", number);
  request->checksum = checksum(request);
  memory_barrier(); /* the message before the index that announces it */

  uint32_t old = req_prod++;
  ring->req_prod = req_prod;
  memory_barrier(); /* the index before the question whether pong wants to know */
  if (ring_must_notify(old, req_prod, ring->req_event)) event_send(port);
}

static void sleep_until_bell(void) {
  events_disable();
  while (!rung) events_sleep();
  rung = 0;
  events_enable();
}

/*
 * Wait until there is a response to read.
 *
 * rsp_event asks pong to ring the bell at the next response. But pong may have
 * written that response just before we asked: it looked at the old rsp_event,
 * saw that nobody wanted to know, and kept quiet. So look once more after
 * asking. Without that look we sleep on a full ring, and pong, who did nothing
 * wrong, sleeps as well.
 */
static void wait_for_response(void) {
  while (rsp_cons == ring->rsp_prod) {
    unsigned damaged = damaged_slots(&shared_ring, rsp_cons);
    if (damaged) print("ping: %u slots do not add up\n", damaged);
    ring->rsp_event = rsp_cons + 1;
    memory_barrier(); /* ask first, then look */
    if (recheck && rsp_cons != ring->rsp_prod) break;
    sleep_until_bell();
  }
}

static void receive(void) {
  wait_for_response();
  memory_barrier(); /* the index first, then what it announces */
  /* The page is pong's too: copy, then look at the copy. */
  struct message response = *ring_slot(&shared_ring, rsp_cons++);
  int intact = response.checksum == checksum(&response);
  response.text[sizeof response.text - 1] = 0;
  print("<- %s%s\n", response.text, intact ? "" : " (damaged)");
}

static void converse(uint32_t count) {
  for (uint32_t number = 1; number <= count; number++) {
    print("ping %u ->\n", number);
    send(number);
    receive();
  }
  send(0);
  receive();
}

void kernel_main(void) {
  events_init();
  console_init();
  xs_init();
  grants_init();

  const char *count = command_line("count");
  recheck = command_line("no-recheck") == 0;

  domid_t partner = wait_for_partner();
  grant_ref_t ref = open_ring(partner);
  converse(count ? parse_number(count) : recheck ? 20 : 1000);

  /* A page that is still mapped over there cannot be taken back; asking is all we can do. */
  while (!grant_end_access(ref)) HYPERVISOR_sched_op(SCHEDOP_yield, 0);
  event_close(port);
  print("ping: the page is mine alone again\n");
  console_flush();
  shutdown(SHUTDOWN_poweroff);
}
