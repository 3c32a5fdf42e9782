/* Given the ABI's structs, then their layouts are these for ever: compiled as C11 and as C++20, by
 * every compiler at hand. A field may be appended (with a line here), never moved. */
#include <assert.h>
#include <stddef.h>
#include <tallyman/plugin.h>

#define PINNED(type, field, at) \
  static_assert(offsetof(struct type, field) == (at), #type "." #field " has moved")
#define SIZED(type, size) static_assert(sizeof(struct type) == (size), #type " has another size")

PINNED(tm_metric, name, 0);
PINNED(tm_metric, unit, 8);
PINNED(tm_metric, help, 16);
PINNED(tm_metric, kind, 24);
PINNED(tm_metric, reserved, 28);
PINNED(tm_metric, resolution_ns, 32);
PINNED(tm_metric, identity, 40);
PINNED(tm_metric, info, 48);
SIZED(tm_metric, 56);

PINNED(tm_option, key, 0);
PINNED(tm_option, fallback, 8);
PINNED(tm_option, help, 16);
SIZED(tm_option, 24);

PINNED(tm_needs, size, 0);
PINNED(tm_needs, network, 4);
PINNED(tm_needs, user, 8);
PINNED(tm_needs, capabilities, 16);
PINNED(tm_needs, paths, 24);
SIZED(tm_needs, 32);

PINNED(tm_poll, size, 0);
PINNED(tm_poll, reserved, 4);
PINNED(tm_poll, scheduled_ns, 8);
PINNED(tm_poll, deadline_ns, 16);
SIZED(tm_poll, 24);

PINNED(tm_reading, size, 0);
PINNED(tm_reading, metric, 4);
PINNED(tm_reading, source, 8);
PINNED(tm_reading, n_identity, 12);
PINNED(tm_reading, n_info, 16);
PINNED(tm_reading, reserved, 20);
PINNED(tm_reading, value, 24);
PINNED(tm_reading, epoch, 32);
PINNED(tm_reading, start_ns, 40);
PINNED(tm_reading, time_ns, 48);
PINNED(tm_reading, identity, 56);
PINNED(tm_reading, info, 64);
SIZED(tm_reading, 72);

PINNED(tm_gap, size, 0);
PINNED(tm_gap, metric, 4);
PINNED(tm_gap, source, 8);
PINNED(tm_gap, n_identity, 12);
PINNED(tm_gap, identity, 16);
PINNED(tm_gap, why, 24);
SIZED(tm_gap, 32);

PINNED(tm_host_v1, size, 0);
PINNED(tm_host_v1, minor, 4);
PINNED(tm_host_v1, ctx, 8);
PINNED(tm_host_v1, log, 16);
PINNED(tm_host_v1, fail, 24);
PINNED(tm_host_v1, emit, 32);
PINNED(tm_host_v1, source, 40);
PINNED(tm_host_v1, gap, 48);
PINNED(tm_host_v1, write, 56);
PINNED(tm_host_v1, config, 64);
PINNED(tm_host_v1, extension, 72);
SIZED(tm_host_v1, 80);

PINNED(tm_plugin_v1, size, 0);
PINNED(tm_plugin_v1, minor, 4);
PINNED(tm_plugin_v1, name, 8);
PINNED(tm_plugin_v1, version, 16);
PINNED(tm_plugin_v1, metrics, 24);
PINNED(tm_plugin_v1, n_metrics, 32);
PINNED(tm_plugin_v1, metric_size, 36);
PINNED(tm_plugin_v1, options, 40);
PINNED(tm_plugin_v1, n_options, 48);
PINNED(tm_plugin_v1, option_size, 52);
PINNED(tm_plugin_v1, needs, 56);
PINNED(tm_plugin_v1, state_version, 64);
PINNED(tm_plugin_v1, reserved, 68);
PINNED(tm_plugin_v1, create, 72);
PINNED(tm_plugin_v1, poll, 80);
PINNED(tm_plugin_v1, save, 88);
PINNED(tm_plugin_v1, restore, 96);
PINNED(tm_plugin_v1, destroy, 104);
PINNED(tm_plugin_v1, extension, 112);
SIZED(tm_plugin_v1, 120);

static_assert(TM_OK == 0 && TM_RETRY == 1 && TM_BAD_CONFIG == 2, "a status has another value");
static_assert(TM_BAD_STATE == 3 && TM_BROKEN == 4, "a status has another value");
static_assert(TM_COUNTER == 1 && TM_GAUGE == 2, "a kind has another value");
static_assert(TM_SCOPE_HOST == 1 && TM_SCOPE_SHARED == 2, "a scope has another value");
static_assert(TM_DEBUG == 0 && TM_INFO == 1 && TM_WARNING == 2 && TM_ERROR == 3, "a level moved");
