/* Event channels: handlers for ports, and sleeping until one is called. */
#ifndef EVENTS_H
#define EVENTS_H

#include "xen/event_channel.h"

typedef void (*event_handler)(evtchn_port_t port);

/* Map shared_info and register the upcall. Upcalls stay masked until events_enable. */
void events_init(void);

void event_set_handler(evtchn_port_t port, event_handler handler);

/* The paravirtual CLI and STI: a store to the mask byte, no trap at all. */
void events_disable(void);
void events_enable(void);

/*
 * Sleep until an upcall has run. Call it with events disabled, after having
 * found nothing to do: Xen unmasks and looks for pending events as one step, so
 * an event between that look and the sleep is not slept through. Events are
 * disabled again on return.
 */
void events_sleep(void);

/* Ring the bell at the other end of `port`. */
void event_send(evtchn_port_t port);

/* A port that domain `remote` may bind to. Panics when there is none left. */
evtchn_port_t event_alloc_unbound(domid_t remote);

/* Connect to `remote_port` of `remote`. Returns the local port, or a negative error. */
int event_bind_interdomain(domid_t remote, evtchn_port_t remote_port);

void event_close(evtchn_port_t port);

#endif
