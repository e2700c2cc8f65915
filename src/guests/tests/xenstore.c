/*
 * XenStore from a guest's side of the ring.
 *
 * - Relative paths lie under /local/domain/<own>; write makes parents, rm takes children along.
 * - A watch fires once when it is set and then for its node and everything below.
 * - A transaction shows its own writes only to itself until it ends with T; it
 *   fails with EAGAIN if something it has read was changed meanwhile.
 * - Errors: ENOENT, EINVAL (path), EACCES (not ours), EEXIST (same watch), ENOSPC (value too long), ENOSYS (type).
 */
#include "harness.h"
#include "string.h"
#include "xen/io/xs_wire.h"
#include "xenstore.h"

#define NO_TX XS_NO_TRANSACTION

static char text[1100], path[128];

static void expect_value(uint32_t tx, const char *node, const char *want) {
  int length = xs_read(tx, node, text, sizeof text);
  check(length == (int)strlen(want) && strcmp(text, want) == 0, "%s: %d \"%s\", want \"%s\"", node, length,
        length < 0 ? "" : text, want);
}

static void values(int self) {
  check_equal("write", xs_write(NO_TX, "data/a/b", "hello"), 0);
  expect_value(NO_TX, "data/a/b", "hello");
  expect_value(NO_TX, "data/a", "");
  format(path, sizeof path, "/local/domain/%d/data/a/b", self);
  expect_value(NO_TX, path, "hello");
  xs_write(NO_TX, "data/a/b", "");
  expect_value(NO_TX, "data/a/b", "");
  check_equal("mkdir", xs_mkdir(NO_TX, "data/a/c"), 0);
  check_equal("mkdir again", xs_mkdir(NO_TX, "data/a/c"), 0);
  int length = xs_directory(NO_TX, "data/a", text, sizeof text);
  check(length == 4 && memcmp(text, "b\0c", 4) == 0, "directory: %d \"%s\"", length, text);
  check_equal("rm", xs_rm(NO_TX, "data/a"), 0);
  check_equal("read after rm", xs_read(NO_TX, "data/a/b", text, sizeof text), -ENOENT);
  check_equal("rm again", xs_rm(NO_TX, "data/a"), 0);
  check_equal("rm without a parent", xs_rm(NO_TX, "data/x/y"), -ENOENT);
  length = xs_request(XS_GET_DOMAIN_PATH, 0, text, format(text, sizeof text, "%d", self) + 1, path,
                      sizeof path);
  format(text, sizeof text, "/local/domain/%d", self);
  check(length > 0 && strcmp(path, text) == 0, "domain path: %s", path);
}

static void large(void) {
  memset(text, 'x', 1050); /* longer than the ring: it must come through in pieces */
  text[1050] = 0;
  check_equal("write 1050 bytes", xs_write(NO_TX, "data/large", text), 0);
  memset(text, 0, sizeof text);
  check_equal("read 1050 bytes", xs_read(NO_TX, "data/large", text, sizeof text), 1050);
  check(text[0] == 'x' && text[1049] == 'x' && text[1050] == 0, "they are not the same");
  xs_rm(NO_TX, "data/large");
}

static void watches(void) {
  xs_mkdir(NO_TX, "data/w");
  check_equal("watch", xs_watch("data/w", "token"), 0);
  xs_next_event(path, sizeof path);
  check(strcmp(path, "data/w") == 0, "first event: %s", path);
  check_equal("watch twice", xs_watch("data/w", "token"), -EEXIST);
  xs_write(NO_TX, "data/w/below", "1");
  xs_next_event(path, sizeof path);
  check(strcmp(path, "data/w/below") == 0, "event of a child: %s", path);
  xs_write(NO_TX, "data/elsewhere", "1");
  xs_rm(NO_TX, "data/w");
  xs_next_event(path, sizeof path);
  check(strncmp(path, "data/w", 6) == 0, "event of rm: %s", path);
  check_equal("unwatch", xs_unwatch("data/w", "token"), 0);
  check_equal("unwatch twice", xs_unwatch("data/w", "token"), -ENOENT);
  while (xs_event_waiting()) xs_next_event(path, sizeof path);
  xs_write(NO_TX, "data/w", "2");
  check_equal("events after unwatch", xs_event_waiting(), 0);
  xs_rm(NO_TX, "data/w");
  xs_rm(NO_TX, "data/elsewhere");
}

static void transactions(void) {
  uint32_t tx = 0, second = 0;
  check_equal("start", xs_transaction_start(&tx), 0);
  check(tx != 0, "transaction 0");
  xs_write(tx, "data/t", "inside");
  expect_value(tx, "data/t", "inside");
  check_equal("outside", xs_read(NO_TX, "data/t", text, sizeof text), -ENOENT);
  check_equal("commit", xs_transaction_end(tx, 1), 0);
  expect_value(NO_TX, "data/t", "inside");
  check_equal("a used id", xs_read(tx, "data/t", text, sizeof text), -ENOENT);

  xs_transaction_start(&tx);
  xs_write(tx, "data/t", "never");
  check_equal("abort", xs_transaction_end(tx, 0), 0);
  expect_value(NO_TX, "data/t", "inside");

  xs_transaction_start(&second);
  expect_value(second, "data/t", "inside");
  xs_write(second, "data/t", "too late");
  xs_write(NO_TX, "data/t", "first");
  check_equal("commit after a conflict", xs_transaction_end(second, 1), -EAGAIN);
  expect_value(NO_TX, "data/t", "first");
  check_equal("end of no transaction", xs_transaction_end(0, 1), -ENOENT);
  xs_rm(NO_TX, "data/t");
}

static void permissions(int self) {
  char want[16];
  size_t size = format(want, sizeof want, "n%d", self) + 1;
  xs_write(NO_TX, "data/p", "mine");
  int length = xs_get_perms(NO_TX, "data/p", text, sizeof text);
  check(length == (int)size && strcmp(text, want) == 0, "permissions: %d \"%s\", want \"%s\"", length, text,
        want);
  format(want, sizeof want, "b%d", self);
  check_equal("set_perms", xs_set_perms(NO_TX, "data/p", want, size), 0);
  xs_get_perms(NO_TX, "data/p", text, sizeof text);
  check(strcmp(text, want) == 0, "permissions: \"%s\", want \"%s\"", text, want);
  check_equal("another owner", xs_set_perms(NO_TX, "data/p", "n0", 3), -EPERM);
  check_equal("write what is not ours", xs_write(NO_TX, "domid", "7"), -EACCES);
  check_equal("write at the root", xs_write(NO_TX, "/nonsense", "7"), -EACCES);
  xs_rm(NO_TX, "data/p");
}

static void errors(void) {
  check_equal("no such node", xs_read(NO_TX, "data/nothing", text, sizeof text), -ENOENT);
  check_equal("two slashes", xs_read(NO_TX, "data//a", text, sizeof text), -EINVAL);
  check_equal("slash at the end", xs_read(NO_TX, "data/", text, sizeof text), -EINVAL);
  check_equal("bad letter", xs_write(NO_TX, "data/a b", ""), -EINVAL);
  check_equal("introduce", xs_request(XS_INTRODUCE, 0, "9\0" "1\0" "1", 6, text, sizeof text), -EACCES);
  check_equal("unknown request", xs_request(99, 0, "x", 2, text, sizeof text), -ENOSYS);
  check_equal("no such transaction", xs_write(4711, "data/a", ""), -ENOENT);

  static char long_value[2200];
  memset(long_value, 'y', sizeof long_value - 1);
  check_equal("too long a value", xs_write(NO_TX, "data/long", long_value), -ENOSPC);
}

TEST("xenstore") {
  xs_init();
  int self = xs_read_number(NO_TX, "domid");
  check(self > 0, "domid: %d", self);
  values(self);
  large();
  watches();
  transactions();
  permissions(self);
  errors();
}
