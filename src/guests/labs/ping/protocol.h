/*
 * What ping and pong agree on.
 *
 * They find each other through XenStore, in ping's own directory:
 *
 *   data/ping/state          "open" when somebody may answer, "ready" when the ring is set up
 *   data/ping/partner        the answerer writes its domain number here
 *   data/ping/ring-ref       the grant of the shared page
 *   data/ping/event-channel  the port to bind to
 *
 * Either may boot first. Only the partner named there can map the page.
 */
#ifndef PING_PROTOCOL_H
#define PING_PROTOCOL_H

#include "xen/io/ring.h"

#define PING_DIRECTORY "data/ping"

/* One message, either way. 64 bytes, so that one is a row or two in a memory view. */
struct message {
  uint32_t number;   /* 1, 2, 3, ...; 0 says goodbye */
  uint32_t checksum; /* of the whole text, padding included */
  uint32_t length;   /* of the text without its padding */
  char text[52];
};
ABI_SIZE(message, 64);

/* The largest power of two that fits behind the header. */
#define RING_SLOTS 32u

struct shared_ring {
  struct ring_header header;
  struct message slot[RING_SLOTS];
};

static inline struct message *ring_slot(struct shared_ring *ring, uint32_t index) {
  return &ring->slot[index & (RING_SLOTS - 1)];
}

/* CRC-32 as networks and disks use it, one bit at a time: small, and slow enough to be honest work. */
static inline uint32_t checksum(const struct message *message) {
  uint32_t crc = 0xFFFFFFFF;
  for (uint32_t i = 0; i < sizeof message->text; i++) {
    crc ^= (uint8_t)message->text[i];
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
  }
  return ~crc;
}

/*
 * Something useful to do with an idle moment: has anybody scribbled on what was
 * said before message `next`? The slot of `next` itself may be half written just
 * now, so only the others are looked at. Returns how many do not add up.
 */
static inline unsigned damaged_slots(struct shared_ring *ring, uint32_t next) {
  unsigned damaged = 0;
  for (uint32_t back = 1; back < RING_SLOTS && back <= next; back++) {
    const struct message *slot = ring_slot(ring, next - back);
    if (slot->checksum != checksum(slot)) damaged++;
  }
  return damaged;
}

#endif
