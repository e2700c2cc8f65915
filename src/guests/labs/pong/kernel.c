/*
 * Two kernels, one page: the answering half.
 *
 * pong maps the page that ping lends, and answers every message in it. Command line:
 *
 *   peer=N      ping's domain number, 1 if not given
 *   no-recheck  fall asleep without a last look at the ring: see wait_for_request
 */
#include "../ping/protocol.h"
#include "console.h"
#include "cpu.h"
#include "events.h"
#include "grants.h"
#include "hypercall.h"
#include "memory.h"
#include "print.h"
#include "string.h"
#include "xen/sched.h"
#include "xenstore.h"

/* Ping's page appears here, in the place of one of ours. */
static PAGE_ALIGNED struct shared_ring shared_ring;
static struct ring_header *ring = &shared_ring.header;

static uint32_t req_cons; /* requests read */
static uint32_t rsp_prod; /* responses written */

static evtchn_port_t port;
static volatile int rung; /* the bell has rung since we last slept */
static int recheck;

static void on_bell(evtchn_port_t from) {
  (void)from;
  rung = 1;
}

static const char *peer_path(domid_t peer, const char *node) {
  static char path[96];
  format(path, sizeof path, "/local/domain/%u/" PING_DIRECTORY "%s", peer, node);
  return path;
}

/* Until ping has come up there is nothing to read, or nothing we may read: both mean "not yet". */
static void wait_for_state(domid_t peer, const char *wanted) {
  char path[96], state[16];
  for (;;) {
    if (xs_read(XS_NO_TRANSACTION, peer_path(peer, "/state"), state, sizeof state) > 0 && strcmp(state, wanted) == 0)
      return;
    xs_next_event(path, sizeof path);
  }
}

static int read_number(domid_t peer, const char *node) {
  int value = xs_read_number(XS_NO_TRANSACTION, peer_path(peer, node));
  if (value < 0) panic("XenStore, %s: %d", peer_path(peer, node), value);
  return value;
}

static grant_handle_t open_ring(domid_t peer) {
  int rc = xs_watch(peer_path(peer, ""), "ping");
  if (rc != 0) panic("XenStore, watch: %d", rc);
  wait_for_state(peer, "open");
  rc = xs_write_number(XS_NO_TRANSACTION, peer_path(peer, "/partner"),
                       (unsigned)xs_read_number(XS_NO_TRANSACTION, "domid"));
  if (rc != 0) panic("XenStore, partner: %d", rc);
  wait_for_state(peer, "ready");

  grant_ref_t ref = (grant_ref_t)read_number(peer, "/ring-ref");
  grant_handle_t handle;
  rc = grant_map(peer, ref, va_of(&shared_ring), 0, &handle);
  if (rc != GNTST_okay) panic("grant %u of domain %u: status %d", ref, peer, rc);

  rc = event_bind_interdomain(peer, (evtchn_port_t)read_number(peer, "/event-channel"));
  if (rc < 0) panic("event channel: %d", rc);
  port = (evtchn_port_t)rc;
  event_set_handler(port, on_bell);
  events_enable();
  print("pong: page %u of domain %u mapped, port %u\n", ref, peer, port);
  return handle;
}

static void sleep_until_bell(void) {
  events_disable();
  while (!rung) events_sleep();
  rung = 0;
  events_enable();
}

/*
 * Wait until there is a request to read.
 *
 * req_event asks ping to ring the bell at the next request. But ping may have
 * written that request just before we asked: it looked at the old req_event,
 * saw that nobody wanted to know, and kept quiet. So look once more after
 * asking. Without that look we sleep on a full ring, and ping, who did nothing
 * wrong, sleeps as well.
 */
static void wait_for_request(void) {
  while (req_cons == ring->req_prod) {
    unsigned damaged = damaged_slots(&shared_ring, req_cons);
    if (damaged) print("pong: %u slots do not add up\n", damaged);
    ring->req_event = req_cons + 1;
    memory_barrier(); /* ask first, then look */
    if (recheck && req_cons != ring->req_prod) break;
    sleep_until_bell();
  }
}

static struct message receive(void) {
  wait_for_request();
  memory_barrier(); /* the index first, then what it announces */
  /* The page is ping's too: copy, then look at the copy. */
  struct message request = *ring_slot(&shared_ring, req_cons++);
  int intact = request.checksum == checksum(&request);
  request.text[sizeof request.text - 1] = 0;
  print("-> %s%s\n", request.text, intact ? "" : " (damaged)");
  return request;
}

static void answer(uint32_t number) {
  struct message *response = ring_slot(&shared_ring, rsp_prod); /* the slot of a request we have read */
  response->number = number;
  memset(response->text, 0, sizeof response->text);
  response->length = format(response->text, sizeof response->text, number ? "pong %u" : "goodbye", number);
  response->checksum = checksum(response);
  if (number) print("pong %u <-\n", number);
  memory_barrier(); /* the message before the index that announces it */

  uint32_t old = rsp_prod++;
  ring->rsp_prod = rsp_prod;
  memory_barrier(); /* the index before the question whether ping wants to know */
  if (ring_must_notify(old, rsp_prod, ring->rsp_event)) event_send(port);
}

void kernel_main(void) {
  events_init();
  console_init();
  xs_init();

  const char *peer = command_line("peer");
  recheck = command_line("no-recheck") == 0;

  grant_handle_t handle = open_ring(peer ? (domid_t)parse_number(peer) : 1);
  uint32_t number;
  do {
    number = receive().number;
    answer(number);
  } while (number != 0);

  int status = grant_unmap(handle, va_of(&shared_ring));
  event_close(port);
  print("pong: page given back, status %d\n", status);
  console_flush();
  shutdown(SHUTDOWN_poweroff);
}
