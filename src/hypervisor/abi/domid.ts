// Domain numbers with a meaning (public/xen.h).
export const DOMID_FIRST_RESERVED = 0x7ff0;
export const DOMID_SELF = 0x7ff0;
export const DOMID_IO = 0x7ff1;
export const DOMID_XEN = 0x7ff2;
export const DOMID_COW = 0x7ff3;
export const DOMID_INVALID = 0x7ff4;
export const DOMID_ANY = 0x7ff5;
export const DOMID_IDLE = 0x7fff;
/** Our service domain (xenstored, xenconsoled): an ordinary domain number, the highest, when there is no domain 0. */
export const DOMID_SERVICE = 0x7fef;
