/*
 * XenStore: the small tree of names and values through which domains find each other.
 *
 * Every function waits for the answer and returns a negative error, 0, or a
 * length. A relative path lies under /local/domain/<own number>. `tx` is a
 * transaction from xs_transaction_start, or XS_NO_TRANSACTION.
 */
#ifndef XENSTORE_H
#define XENSTORE_H

#include <stddef.h>
#include <stdint.h>

#define XS_NO_TRANSACTION 0u

void xs_init(void);

/* The value, with a NUL behind it; returns its whole length. */
int xs_read(uint32_t tx, const char *path, char *value, size_t size);

/* Creates missing parents. */
int xs_write(uint32_t tx, const char *path, const char *value);
int xs_write_number(uint32_t tx, const char *path, unsigned value);

/* The number at `path`, or a negative error. */
int xs_read_number(uint32_t tx, const char *path);

int xs_mkdir(uint32_t tx, const char *path);
int xs_rm(uint32_t tx, const char *path);

/* The children's names one after the other, each with its NUL; returns the total length. */
int xs_directory(uint32_t tx, const char *path, char *names, size_t size);

/* Permissions such as "n1" "r2", each with its NUL: the owner and everybody's default first. */
int xs_get_perms(uint32_t tx, const char *path, char *perms, size_t size);
int xs_set_perms(uint32_t tx, const char *path, const char *perms, size_t size);

/* Be told of changes at and below `path`; the first event comes at once. */
int xs_watch(const char *path, const char *token);
int xs_unwatch(const char *path, const char *token);

/* Wait for the next watch event. Returns the length of its path, cut to `size`. */
int xs_next_event(char *path, size_t size);

/* Is there an event to take without waiting? */
int xs_event_waiting(void);

int xs_transaction_start(uint32_t *tx);
int xs_transaction_end(uint32_t tx, int commit);

/* Any message at all: for those who want to see what the store says to it. */
int xs_request(uint32_t type, uint32_t tx, const void *payload, size_t length, char *answer, size_t size);

#endif
