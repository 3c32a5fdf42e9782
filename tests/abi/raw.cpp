// A plugin without the wrapper that breaks the rules of the border: it throws across, or returns a
// status that is none.
#include <tallyman/plugin.h>

#include <cstring>
#include <stdexcept>

namespace {

const tm_host_v1* host_table = nullptr;
constexpr tm_metric kMetrics[] = {
    {"raw_level", "bytes", "A level", TM_GAUGE, 0, 0, nullptr, nullptr}};
constexpr tm_option kOptions[] = {{"how", nullptr, "what to do wrong"}};

tm_status create(const tm_host_v1* host, void** self) {
  host_table = host;
  *self = nullptr;
  return TM_OK;
}

tm_status poll(void*, const tm_poll*) {
  const char* how = host_table->config(host_table->ctx, "how", 0);
  if (std::strcmp(how, "throw") == 0) throw std::runtime_error("thrown across");
  if (std::strcmp(how, "status") == 0) return 77;
  if (std::strcmp(how, "silent") == 0) return TM_RETRY;
  if (std::strcmp(how, "null") == 0) return host_table->emit(host_table->ctx, nullptr);
  tm_reading reading{};
  reading.size = 8;
  return host_table->emit(host_table->ctx, &reading);
}

void destroy(void*) {}

}  // namespace

constinit const tm_plugin_v1 tm_plugin_v1_entry = {sizeof(tm_plugin_v1),
                                                   0,
                                                   "raw",
                                                   "1",
                                                   kMetrics,
                                                   1,
                                                   sizeof(tm_metric),
                                                   kOptions,
                                                   1,
                                                   sizeof(tm_option),
                                                   nullptr,
                                                   0,
                                                   0,
                                                   create,
                                                   poll,
                                                   nullptr,
                                                   nullptr,
                                                   destroy,
                                                   nullptr};
