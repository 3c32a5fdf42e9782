/* A plugin in C without the wrapper: one counter that counts its polls. OLDER makes every struct
 * that grows as short as a host has to take it, NEWER longer than this host knows, with another
 * minor. */
#include <stddef.h>
#include <stdlib.h>
#include <tallyman/plugin.h>

#if defined(OLDER)
struct metric { /* ends before resolution_ns */
  const char *name, *unit, *help;
  uint32_t kind, reserved;
};
#define METRIC(name, unit, help) \
  { name, unit, help, TM_COUNTER, 0 }
#define TABLE_SIZE offsetof(struct tm_plugin_v1, extension)
#define MINOR 0
#elif defined(NEWER)
struct metric {
  struct tm_metric known;
  const char* appended[3];
};
#define METRIC(name, unit, help)                                                   \
  {                                                                                \
    {name, unit, help, TM_COUNTER, 0, 0, NULL, NULL}, { "what", "comes", "later" } \
  }
#define TABLE_SIZE sizeof(struct newer_table)
#define MINOR 7
#else
struct metric {
  struct tm_metric known;
};
#define METRIC(name, unit, help)                       \
  {                                                    \
    { name, unit, help, TM_COUNTER, 0, 0, NULL, NULL } \
  }
#define TABLE_SIZE sizeof(struct tm_plugin_v1)
#define MINOR TM_PLUGIN_V1_MINOR
#endif

struct newer_table {
  struct tm_plugin_v1 known;
  uint64_t appended[4];
};

struct instance {
  const struct tm_host_v1* host;
  uint64_t polls;
};

static const struct metric metrics[] = {
    METRIC("plain_polls_total", "polls", "Polls so far"),
    METRIC("plain_polls_twice_total", "polls", "Twice as many"),
};

static tm_status create(const struct tm_host_v1* host, void** self) {
  struct instance* me = calloc(1, sizeof *me);
  if (me == NULL) return TM_RETRY;
  me->host = host;
  *self = me;
  return TM_OK;
}

static tm_status poll(void* self, const struct tm_poll* request) {
  struct instance* me = self;
  struct {
    struct tm_reading known;
    uint64_t appended;
  } newer = {{0}, 77};
  struct tm_reading* reading = &newer.known;
  tm_status status;
  ++me->polls;
  reading->size = MINOR == 0 ? sizeof *reading : sizeof newer;
  reading->value = me->polls;
  reading->epoch = 42;
  reading->start_ns = request->scheduled_ns;
  status = me->host->emit(me->host->ctx, reading);
  if (status != TM_OK) return status;
  reading->metric = 1;
  reading->value = 2 * me->polls;
  return me->host->emit(me->host->ctx, reading);
}

static void destroy(void* self) { free(self); }

static const struct newer_table table = {
    {
        .size = TABLE_SIZE,
        .minor = MINOR,
        .name = "plain",
        .version = "1.0",
        .metrics = (const struct tm_metric*)metrics,
        .n_metrics = 2,
        .metric_size = sizeof metrics[0],
        .create = create,
        .poll = poll,
        .destroy = destroy,
    },
    {1, 2, 3, 4},
};

extern const struct tm_plugin_v1 tm_plugin_v1_entry __attribute__((alias("table")));
