/* The Tallyman plugin ABI, version 1: what a collector plugin and its host process agree on.
 *
 * A plugin is a shared object that exports ONE data symbol, `tm_plugin_v1_entry`. The table behind
 * it declares everything as data (metrics, options, needs), so that it can be read without calling
 * plugin code, and names its functions. The plugin host loads exactly one plugin, never unloads
 * it, and has one instance of it at a time.
 *
 * Rules that hold for every function here, in both directions:
 *  - Threads: the host calls the plugin on one thread, one call at a time. The plugin calls the
 *    host only on that thread and only from inside a call that names it: [in: create, poll] means
 *    from these and no other.
 *  - Memory: nobody frees what the other side made. What is passed is valid until the call returns
 *    unless its comment says longer; whoever needs it longer copies it.
 *  - Errors: no C++ exception and no longjmp crosses. A failure is a tm_status; fail() says why.
 *  - Text is UTF-8 without control characters, zero-terminated, never NULL unless its comment says
 *    so. Names, keys, units and ids of sources have at most 256 bytes, label values, help and
 *    reasons 1024, an option's value 4096.
 *  - Time: int64_t nanoseconds. Instants are CLOCK_REALTIME since 1970, unless `boot` is said, and
 *    below 2^62 (in 2116).
 *  - Limits: 65,536 readings and 1024 gaps in a poll; 1,048,576 series at once; 10,000 sources;
 *    1024 metrics and 1024 options. A poll over its limit of readings or gaps fails with TM_RETRY,
 *    and the plugin lives; all of a first poll's series may be new.
 *  - Growth: a struct that may grow begins with `size` (its sizeof where it was compiled) or has
 *    its stride named beside its array. Fields are only ever appended and never change meaning; a
 *    reader uses what `size` covers, and takes what is beyond it as zero. `minor` counts appended
 *    fields. Reserved fields are zero. What is incompatible is a new symbol (tm_plugin_v2_entry),
 *    what is optional an extension.
 *
 * The life of an instance:  create → [restore] → (poll → [save])* → destroy
 */
#ifndef TALLYMAN_PLUGIN_H
#define TALLYMAN_PLUGIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TM_PLUGIN_V1_MINOR 0u

/* How a call ended. Values beyond these are taken as TM_BROKEN. */
typedef int32_t tm_status;
enum {
  TM_OK = 0,
  TM_RETRY = 1,      /* not this time; call again at the next instant */
  TM_BAD_CONFIG = 2, /* cannot work until somebody changes the configuration (create) */
  TM_BAD_STATE = 3,  /* cannot restore these bytes; a fresh instance goes on without (restore) */
  TM_BROKEN = 4      /* of no further use: end the process and start anew */
};

enum { TM_COUNTER = 1, TM_GAUGE = 2 };
enum { TM_SCOPE_HOST = 1, TM_SCOPE_SHARED = 2 };
enum { TM_DEBUG = 0, TM_INFO = 1, TM_WARNING = 2, TM_ERROR = 3 };

/* The source that need not be asked for: the host that the plugin runs on. */
#define TM_THIS_HOST 0u
/* What source() gives when it refuses. */
#define TM_NO_SOURCE UINT32_MAX
/* In a gap: every metric of the source. */
#define TM_ALL_METRICS UINT32_MAX

/* ---- What a plugin declares ---------------------------------------------------------------- */

/* A metric. Counter: a cumulative uint64 that never falls within an epoch. Gauge: a level.
 * Integers only; the unit carries the scale. Label names are NULL-terminated arrays, or NULL for
 * none, at most 32 of each. */
struct tm_metric {
  const char* name; /* [a-zA-Z_][a-zA-Z0-9_]*: "netif_transmit_bytes_total", as Prometheus does */
  const char* unit; /* base unit: "bytes", "packets", "seconds" */
  const char* help; /* one line */
  uint32_t kind;    /* TM_COUNTER or TM_GAUGE */
  uint32_t reserved;
  uint64_t resolution_ns;      /* how coarsely the source itself counts; 0 = exact at the poll */
  const char* const* identity; /* labels that say which series it is: values never change */
  const char* const* info;     /* labels that describe it: values may change at any poll */
};

/* A configuration option. The host refuses options that are not declared, and those missing. */
struct tm_option {
  const char* key;      /* [a-z][a-z0-9_.-]*; nested tables are flattened with dots */
  const char* fallback; /* when not configured; "" = it then has no value; NULL = required */
  const char* help;     /* one line */
};

/* What the plugin wants from the system. It gets no more than this, and is not run unless its
 * configuration grants all of it. Paths: "/run/x" is read, "+/run/x" written, or connected to as a
 * Unix socket; "@key" and "+@key" mean the path that the option `key` holds. A folder stands for
 * all that is below it. The system's libraries, /dev/null, /dev/urandom and /proc/self are
 * everybody's. Lists are NULL-terminated arrays, or NULL. */
struct tm_needs {
  uint32_t size;
  uint32_t network;                /* 1 = opens sockets: IPv4, IPv6, netlink */
  const char* user;                /* a system user to run as; NULL = any unprivileged one */
  const char* const* capabilities; /* "CAP_NET_ADMIN" */
  const char* const* paths;
};

/* ---- What passes at a poll ----------------------------------------------------------------- */

struct tm_poll {
  uint32_t size;
  uint32_t reserved;
  int64_t scheduled_ns; /* when it is due: the instant of readings that name no time */
  int64_t deadline_ns;  /* boot clock (CLOCK_BOOTTIME): then the process is killed */
};

/* One value of a series of a source. The host copies it all before emit() returns.
 *  - epoch: an opaque number, the same for as long as it is the same counter; another one says that
 *    the counter began anew. Several epochs of a series may be emitted in one poll. Gauges: 0.
 *  - start_ns: an instant at or after which this counter was known to be zero; 0 = not known. With
 *    a start the first reading counts from zero; without, it is a baseline. It is part of the
 *    epoch: the same in all its readings. For a thing that the last good poll did not see, that
 *    poll's scheduled_ns is such an instant. Gauges: 0.
 *  - A series that a good poll lacks, and that no gap names, has ended. */
struct tm_reading {
  uint32_t size;
  uint32_t metric;             /* index into tm_plugin_v1.metrics */
  uint32_t source;             /* from source(), or TM_THIS_HOST */
  uint32_t n_identity, n_info; /* as many as the metric names, checked */
  uint32_t reserved;
  uint64_t value;
  uint64_t epoch;
  int64_t start_ns;
  int64_t time_ns;             /* instant of the value itself; 0 = this poll */
  const char* const* identity; /* values in the order of the metric's names; none is NULL */
  const char* const* info;
};

/* A part of this poll that gave nothing although it still exists: otherwise good. Its instant is
 * then unknown, not zero, and its series have not ended. */
struct tm_gap {
  uint32_t size;
  uint32_t metric; /* TM_ALL_METRICS: the whole source */
  uint32_t source;
  uint32_t n_identity;         /* 0 = all series of the metric; else as many as the metric names */
  const char* const* identity; /* needs a metric; NULL when n_identity is 0 */
  const char* why;             /* in words: "export 7: no answer within 2 s" */
};

/* ---- What the host offers ------------------------------------------------------------------ */

/* Handed to create(), valid until destroy() has returned. `ctx` goes first into every call. */
struct tm_host_v1 {
  uint32_t size;
  uint32_t minor;
  void* ctx;

  /* [in: any call] One line for the agent's log. Lines beyond a rate are dropped and counted. */
  void (*log)(void* ctx, uint32_t level, const char* text);

  /* [in: any call] Says why the call under way is about to return something other than TM_OK. The
   * last one counts. Does not itself fail the call. */
  void (*fail)(void* ctx, const char* why);

  /* [in: poll] Hands over one reading. Counts only if poll() returns TM_OK. Anything but TM_OK
   * from here means that the poll has failed for what this reading is (undeclared metric, too
   * many …): return soon. An info label that is no text as above is made one. An identity label
   * that is none makes a gap of its metric and source instead of a reading: TM_OK. */
  tm_status (*emit)(void* ctx, const struct tm_reading* reading);

  /* [in: create, restore, poll] The number of a source, for readings and gaps; the same for the
   * same id and scope, for the life of the instance. TM_SCOPE_HOST: a part of this host
   * ("ganesha"). TM_SCOPE_SHARED: something that other hosts may read too and that is billed once:
   * the id is unique in the world ("ceph:<fsid>"), and does not begin with "host:". TM_NO_SOURCE
   * when refused; the call under way then fails. */
  uint32_t (*source)(void* ctx, const char* id, uint32_t scope);

  /* [in: poll] Names a part of this poll that gave nothing. Results as emit(). */
  tm_status (*gap)(void* ctx, const struct tm_gap* gap);

  /* [in: save] Appends to the state being saved, 64 KiB in all at most; TM_BROKEN beyond. */
  tm_status (*write)(void* ctx, const void* bytes, uint64_t n);

  /* [in: any call] The i-th value of a declared option (a list has several), its fallback when it
   * is not configured, NULL when there is none. Valid until destroy() has returned. */
  const char* (*config)(void* ctx, const char* key, uint32_t i);

  /* [in: any call] A table of functions named "name/revision", or NULL. A meaning never changes
   * under its name. */
  const void* (*extension)(void* ctx, const char* id);
};

/* ---- What the plugin offers ---------------------------------------------------------------- */

struct tm_plugin_v1 {
  uint32_t size;
  uint32_t minor; /* TM_PLUGIN_V1_MINOR it was compiled with */

  const char* name;    /* [a-z][a-z0-9_-]*, at most 64 bytes */
  const char* version; /* of the plugin, at most 64 bytes */

  const struct tm_metric* metrics;
  uint32_t n_metrics;
  uint32_t metric_size; /* sizeof(struct tm_metric) */
  const struct tm_option* options;
  uint32_t n_options;
  uint32_t option_size;         /* sizeof(struct tm_option) */
  const struct tm_needs* needs; /* NULL = nothing */

  uint32_t state_version; /* of what save() writes; 0 = no state: save and restore may be NULL */
  uint32_t reserved;

  /* Once, first. Sets *self to the instance. When it fails it leaves nothing behind: destroy() is
   * not called. */
  tm_status (*create)(const struct tm_host_v1* host, void** self);

  /* At every instant, after create (and restore). Reads, emits, returns before the deadline. All or
   * nothing: its readings and gaps count only with TM_OK. It is called again after TM_RETRY. */
  tm_status (*poll)(void* self, const struct tm_poll* poll);

  /* After a poll that returned TM_OK: writes the state that belongs to it. It changes nothing:
   * polls go on after it. What it wrote becomes durable together with the poll's readings, or not
   * at all. */
  tm_status (*save)(void* self);

  /* At most once, right after create: the state of the last poll that became durable, written by
   * this version of the plugin or another one; `from_version` is its state_version. When it fails
   * the instance is destroyed; after TM_BAD_STATE a fresh one goes on without the state. */
  tm_status (*restore)(void* self, uint32_t from_version, const void* bytes, uint64_t n);

  /* Last, if create succeeded. The process may also be killed without it. */
  void (*destroy)(void* self);

  /* After the load, at any time: a table of functions named "name/revision", or NULL. May itself be
   * NULL. */
  const void* (*extension)(const char* id);
};

#if defined(__GNUC__)
#define TM_EXPORT __attribute__((visibility("default")))
#else
#define TM_EXPORT
#endif

/* The one exported symbol, defined by the plugin:
 *   const struct tm_plugin_v1 tm_plugin_v1_entry = {sizeof(struct tm_plugin_v1), …}; */
extern TM_EXPORT const struct tm_plugin_v1 tm_plugin_v1_entry;

#ifdef __cplusplus
}
#endif

#endif
