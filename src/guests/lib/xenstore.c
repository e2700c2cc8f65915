/*
 * The XenStore protocol, from the guest's end: one request at a time, its answer
 * awaited. Watch events may arrive in between; they are kept until asked for.
 */
#include "cpu.h"
#include "events.h"
#include "hypercall.h"
#include "memory.h"
#include "print.h"
#include "string.h"
#include "xen/errno.h"
#include "xen/io/xs_wire.h"
#include "xen/sched.h"
#include "xenstore.h"

#define RING_MASK (XENSTORE_RING_SIZE - 1)
#define MAX_EVENTS 8
#define EVENT_SIZE 96

static struct xenstore_interface *ring;
static char answer_buffer[XENSTORE_PAYLOAD_MAX];

static char events[MAX_EVENTS][EVENT_SIZE];
static unsigned events_in, events_out;

/* The store names errors; we number them. */
static const struct {
  const char *name;
  int number;
} errors[] = {
    {"EINVAL", EINVAL}, {"EACCES", EACCES}, {"EEXIST", EEXIST},       {"EISDIR", EISDIR}, {"ENOENT", ENOENT},
    {"ENOMEM", ENOMEM}, {"ENOSPC", ENOSPC}, {"ENOTEMPTY", ENOTEMPTY}, {"ENOSYS", ENOSYS}, {"EROFS", EROFS},
    {"EBUSY", EBUSY},   {"EAGAIN", EAGAIN}, {"EISCONN", EISCONN},     {"E2BIG", E2BIG},   {"EPERM", EPERM},
};

void xs_init(void) {
  map_shared_info();
  ring = mfn_to_pointer(start_info->store_mfn);
}

/*
 * Wait until the store has moved one of its indices. The port's pending bit is
 * cleared first and the index looked at afterwards: a bell that rings between
 * the look and the poll sets the bit again, and the poll returns at once. With
 * upcalls enabled the upcall would eat that bit, so they are held back.
 */
static void wait_for_change(volatile uint32_t *index, uint32_t seen) {
  volatile struct vcpu_info *vcpu = &shared_info->vcpu_info[0];
  evtchn_port_t port = start_info->store_evtchn;
  struct sched_poll poll = {&port, 1, 0};
  uint8_t mask = vcpu->evtchn_upcall_mask;
  vcpu->evtchn_upcall_mask = 1;
  while (*index == seen) {
    atomic_clear_bit(shared_info->evtchn_pending, port);
    memory_barrier();
    if (*index != seen) break;
    HYPERVISOR_sched_op(SCHEDOP_poll, &poll);
  }
  if (mask == 0) events_enable();
}

static void send_bytes(const void *from, size_t size) {
  const char *bytes = from;
  for (; size > 0; size--) {
    uint32_t cons = ring->req_cons;
    if (ring->req_prod - cons == XENSTORE_RING_SIZE) {
      event_send(start_info->store_evtchn);
      wait_for_change(&ring->req_cons, cons);
    }
    ring->req[ring->req_prod & RING_MASK] = *bytes++;
    memory_barrier();
    ring->req_prod++;
  }
}

static void receive_bytes(void *to, size_t size) {
  char *bytes = to;
  int made_room = 0;
  for (; size > 0; size--) {
    uint32_t prod = ring->rsp_prod;
    if (prod == ring->rsp_cons) {
      if (made_room) event_send(start_info->store_evtchn); /* an answer may be longer than the ring */
      made_room = 0;
      wait_for_change(&ring->rsp_prod, prod);
    }
    *bytes++ = ring->rsp[ring->rsp_cons & RING_MASK];
    memory_barrier();
    ring->rsp_cons++;
    made_room = 1;
  }
}

/* One whole message into answer_buffer. Returns its header. */
static struct xsd_sockmsg receive_message(void) {
  struct xsd_sockmsg header;
  receive_bytes(&header, sizeof header);
  if (header.len > XENSTORE_PAYLOAD_MAX) panic("XenStore: a message of %u bytes", header.len);
  receive_bytes(answer_buffer, header.len);
  return header;
}

/* An event's payload begins with the path and its NUL. */
static void keep_event(uint32_t length) {
  char *slot = events[events_in % MAX_EVENTS];
  if (events_in - events_out == MAX_EVENTS) return; /* whoever watches this much must look more often */
  if (length > EVENT_SIZE - 1) length = EVENT_SIZE - 1;
  memcpy(slot, answer_buffer, length);
  slot[length] = 0;
  events_in++;
}

static int error_number(void) {
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
    if (strcmp(answer_buffer, errors[i].name) == 0) return -errors[i].number;
  return -EIO;
}

/* Send the parts of one request, wait for its answer, copy that to `answer`. */
static int talk(uint32_t type, uint32_t tx, const char *path, const void *rest, size_t rest_length, char *answer,
                size_t size) {
  size_t path_length = path ? strlen(path) + 1 : 0;
  struct xsd_sockmsg header = {type, 0, tx, path_length + rest_length};
  send_bytes(&header, sizeof header);
  send_bytes(path, path_length);
  send_bytes(rest, rest_length);
  event_send(start_info->store_evtchn);

  do {
    header = receive_message();
    if (header.type == XS_WATCH_EVENT) keep_event(header.len);
  } while (header.type == XS_WATCH_EVENT);

  if (header.type == XS_ERROR) return error_number();
  if (header.type != type) panic("XenStore: asked %u, answered %u", type, header.type);
  if (size > 0) {
    size_t kept = header.len < size ? header.len : size - 1;
    memcpy(answer, answer_buffer, kept);
    answer[kept] = 0;
  }
  return (int)header.len;
}

/* For requests whose answer is only "OK". */
static int ok(int rc) { return rc < 0 ? rc : 0; }

int xs_request(uint32_t type, uint32_t tx, const void *payload, size_t length, char *answer, size_t size) {
  return talk(type, tx, 0, payload, length, answer, size);
}

int xs_read(uint32_t tx, const char *path, char *value, size_t size) {
  return talk(XS_READ, tx, path, 0, 0, value, size);
}

int xs_write(uint32_t tx, const char *path, const char *value) {
  return ok(talk(XS_WRITE, tx, path, value, strlen(value), 0, 0));
}

int xs_write_number(uint32_t tx, const char *path, unsigned value) {
  char digits[12];
  format(digits, sizeof digits, "%u", value);
  return xs_write(tx, path, digits);
}

int xs_read_number(uint32_t tx, const char *path) {
  char digits[12];
  int length = xs_read(tx, path, digits, sizeof digits);
  if (length < 0) return length;
  return length == 0 ? -ENODATA : (int)parse_number(digits);
}

int xs_mkdir(uint32_t tx, const char *path) { return ok(talk(XS_MKDIR, tx, path, 0, 0, 0, 0)); }

int xs_rm(uint32_t tx, const char *path) { return ok(talk(XS_RM, tx, path, 0, 0, 0, 0)); }

int xs_directory(uint32_t tx, const char *path, char *names, size_t size) {
  return talk(XS_DIRECTORY, tx, path, 0, 0, names, size);
}

int xs_get_perms(uint32_t tx, const char *path, char *perms, size_t size) {
  return talk(XS_GET_PERMS, tx, path, 0, 0, perms, size);
}

int xs_set_perms(uint32_t tx, const char *path, const char *perms, size_t size) {
  return ok(talk(XS_SET_PERMS, tx, path, perms, size, 0, 0));
}

int xs_watch(const char *path, const char *token) {
  return ok(talk(XS_WATCH, XS_NO_TRANSACTION, path, token, strlen(token) + 1, 0, 0));
}

int xs_unwatch(const char *path, const char *token) {
  return ok(talk(XS_UNWATCH, XS_NO_TRANSACTION, path, token, strlen(token) + 1, 0, 0));
}

int xs_event_waiting(void) { return events_in != events_out || ring->rsp_prod != ring->rsp_cons; }

int xs_next_event(char *path, size_t size) {
  while (events_in == events_out) {
    struct xsd_sockmsg header = receive_message();
    if (header.type == XS_WATCH_EVENT) keep_event(header.len);
  }
  const char *event = events[events_out % MAX_EVENTS];
  int length = (int)format(path, size, "%s", event);
  events_out++;
  return length;
}

int xs_transaction_start(uint32_t *tx) {
  char id[12];
  int rc = talk(XS_TRANSACTION_START, XS_NO_TRANSACTION, "", 0, 0, id, sizeof id);
  if (rc < 0) return rc;
  *tx = parse_number(id);
  return 0;
}

int xs_transaction_end(uint32_t tx, int commit) {
  return ok(talk(XS_TRANSACTION_END, tx, commit ? "T" : "F", 0, 0, 0, 0));
}
